//! A server before the real one that can lie, fail and go away. It also knows what the real one does not: the uploads in
//! parts that are under way, which it lists as S3 does.

use actix_web::body::SizedStream;
use actix_web::dev::ServerHandle;
use actix_web::http::Method;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Headers of one connection only.
const NOT_RELAYED: [&str; 4] = ["connection", "transfer-encoding", "content-length", "expect"];
const FIRST_DATE: &str = "2020-01-01T00:00:00.000Z";

type Piece = std::io::Result<web::Bytes>;

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// A byte of each object is another when it is read.
    Corrupt,
    /// Objects are not listed.
    Forgetful,
    /// Deletions are answered, not done.
    Clinging,
    /// Downloads end after so many bytes; once.
    Cut(usize),
    /// There is no such bucket.
    NoBucket,
    /// Requests with a body fail.
    ReadOnly,
    /// The next object that is put is kept, and the answer says that it failed; the client is not asked to try again.
    LostAnswer,
}

struct State {
    fault: Fault,
    /// Upload to key.
    uploads: BTreeMap<String, String>,
    parts: usize,
    requests: Vec<String>,
}

/// The proxy; stops when dropped.
pub struct Proxy {
    target: String,
    state: Arc<Mutex<State>>,
    port: u16,
    handle: ServerHandle,
}

impl Proxy {
    /// Starts before a server.
    pub async fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = State { fault: Fault::None, uploads: BTreeMap::new(), parts: 0, requests: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let handle = serve(listener, target.to_owned(), state.clone());
        Self { target: target.to_owned(), state, port, handle }
    }

    pub fn endpoint(&self) -> Option<String> {
        Some(format!("http://127.0.0.1:{}", self.port))
    }

    pub fn set(&self, fault: Fault) {
        self.state.lock().expect("not poisoned").fault = fault;
    }

    /// Returns the uploads under way.
    pub fn uploads(&self) -> Vec<String> {
        self.state.lock().expect("not poisoned").uploads.keys().cloned().collect()
    }

    /// Returns how many parts of uploads came.
    pub fn parts(&self) -> usize {
        self.state.lock().expect("not poisoned").parts
    }

    /// Returns the requests since the last look, method and query.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("not poisoned").requests)
    }

    /// Goes away: connections break, new ones are refused.
    pub async fn leave(&self) {
        self.handle.stop(false).await;
    }

    /// Comes back where it was.
    pub fn come_back(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the same port");
        self.handle = serve(listener, self.target.clone(), self.state.clone());
    }
}

fn serve(listener: TcpListener, target: String, state: Arc<Mutex<State>>) -> ServerHandle {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let server = HttpServer::new(move || {
        let shared = (target.clone(), state.clone(), client.clone());
        App::new().app_data(web::Data::new(shared)).default_service(web::to(relay))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .expect("listening")
    .run();
    let handle = server.handle();
    actix::spawn(server);
    handle
}

type Shared = web::Data<(String, Arc<Mutex<State>>, reqwest::Client)>;

async fn relay(request: HttpRequest, mut payload: web::Payload, shared: Shared) -> HttpResponse {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else { return HttpResponse::BadRequest().finish() };
        body.extend_from_slice(&chunk);
    }
    let (target, state, client) = &**shared;
    let query = request.query_string().to_owned();
    let (method, key) = (request.method().clone(), key_of(request.path()));
    let fault = {
        let mut state = state.lock().expect("not poisoned");
        state.requests.push(format!("{method} {key}?{query}"));
        state.fault
    };
    let names =
        |option: &str| query.split('&').any(|pair| pair == option || pair.starts_with(&format!("{option}=")));
    if method == Method::GET && names("uploads") {
        return list_uploads(&state.lock().expect("not poisoned").uploads);
    }
    if fault == Fault::ReadOnly && !body.is_empty() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    if fault == Fault::NoBucket {
        let told = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code></Error>";
        return HttpResponse::NotFound().content_type("application/xml").body(told);
    }
    if fault == Fault::Clinging && method == Method::DELETE {
        return HttpResponse::NoContent().finish();
    }

    let method_out = reqwest::Method::from_bytes(method.as_str().as_bytes()).expect("a method");
    let mut forward = client.request(method_out, format!("{target}{}", request.uri())).body(body);
    for (name, value) in request.headers() {
        if !NOT_RELAYED.contains(&name.as_str()) {
            forward = forward.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(answer) = forward.send().await else { return HttpResponse::BadGateway().finish() };
    let status = answer.status();
    let mut response = HttpResponse::build(status.as_u16().try_into().expect("a status"));
    for (name, value) in answer.headers() {
        if !NOT_RELAYED.contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    if method == Method::HEAD {
        let length =
            answer.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        return response.body(SizedStream::new(length.unwrap_or_default(), stream::empty::<Piece>()));
    }
    let mut content = answer.bytes().await.expect("the whole answer").to_vec();
    note(&mut state.lock().expect("not poisoned"), &method, &query, &key, &content, status.is_success());
    let is_object = method == Method::GET && !names("list-type");
    match fault {
        Fault::Corrupt if is_object && !content.is_empty() => {
            let middle = content.len() / 2;
            content[middle] ^= 1;
        }
        Fault::Forgetful if names("list-type") => {
            content = br#"<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"#
                .to_vec();
        }
        Fault::Cut(after) if is_object && content.len() > after => {
            state.lock().expect("not poisoned").fault = Fault::None;
            let length = content.len() as u64;
            content.truncate(after);
            let pieces: [Piece; 2] = [Ok(content.into()), Err(std::io::Error::other("cut"))];
            return response.body(SizedStream::new(length, stream::iter(pieces)));
        }
        Fault::LostAnswer if method == Method::PUT => {
            state.lock().expect("not poisoned").fault = Fault::None;
            return HttpResponse::Forbidden().finish();
        }
        _ => {}
    }
    response.body(content)
}

/// Returns what stands behind the bucket's name.
fn key_of(path: &str) -> String {
    path.trim_start_matches('/').split_once('/').map_or_else(String::new, |(_, key)| key.to_owned())
}

/// Keeps the list of uploads.
fn note(state: &mut State, method: &Method, query: &str, key: &str, content: &[u8], is_good: bool) {
    let upload = query.split('&').find_map(|pair| pair.strip_prefix("uploadId=")).map(str::to_owned);
    if !is_good {
        return;
    }
    match (method.as_str(), upload) {
        ("POST", None) => {
            let text = String::from_utf8_lossy(content);
            let id = text.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"));
            if let Some((id, _)) = id {
                state.uploads.insert(id.to_owned(), key.to_owned());
            }
        }
        ("PUT", Some(_)) => state.parts += 1,
        ("POST" | "DELETE", Some(upload)) => drop(state.uploads.remove(&upload)),
        _ => {}
    }
}

fn list_uploads(uploads: &BTreeMap<String, String>) -> HttpResponse {
    let listed: String = uploads
        .iter()
        .map(|(id, key)| {
            format!(
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{FIRST_DATE}</Initiated></Upload>"
            )
        })
        .collect();
    HttpResponse::Ok().content_type("application/xml").body(format!(
        r#"<?xml version="1.0"?><ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{listed}</ListMultipartUploadsResult>"#
    ))
}
