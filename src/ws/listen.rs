//! `GET /v1/listen`: opens a live stream in Deepgram's protocol. Everything that can refuse does so before the upgrade.

use crate::http::dialect::DG_REQUEST_ID;
use crate::http::doors::routing;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::ws::listen_query::ListenQuery;
use crate::ws::upgrade::{self, Door, admit, cutter, gate};
use actix_web::http::header::HeaderValue;
use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use sottovoce_actors::job::{announce, state_of};
use sottovoce_actors::mailbox::Tell;
use sottovoce_actors::ports::ear::Ears;
use sottovoce_actors::ports::engine::Refused;
use sottovoce_actors::ports::store::NewStream;
use sottovoce_actors::session::params::{LiveConfig, StreamParams};
use sottovoce_actors::session::{SessionActor, SessionPorts, SessionStart};
use sottovoce_actors::sessions::Sessions;
use sottovoce_actors::supervise::{Exit, ExitGuard};
use sottovoce_actors::transcript::log_ref;
use sottovoce_protocol::auth::TicketPurpose;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::{AccountId, JobId, ModelId, NodeId};
use sottovoce_protocol::jobs::{JobParams, JobType};
use sottovoce_protocol::scope::Scope;
use std::sync::Arc;

/// What live streams need besides the REST state.
#[derive(Clone)]
pub struct LiveState {
    /// Settings of all streams.
    pub live: Arc<LiveConfig>,
    /// Ports of sessions.
    pub ports: SessionPorts,
    /// Makes ears.
    pub ears: Arc<dyn Ears>,
    /// Open sockets.
    pub sessions: Sessions,
    /// This process.
    pub node: NodeId,
    /// Model of a client that names none of ours.
    pub default_model: ModelId,
    /// Largest incoming message.
    pub max_message_bytes: usize,
    /// Sockets of an account.
    pub sockets_per_account: u64,
}

const DOOR: Door = Door { scope: Scope::Listen, purpose: TicketPurpose::Stream };

/// Opens a live stream.
pub async fn listen(
    request: HttpRequest,
    query: Query<Vec<(String, String)>>,
    payload: Payload,
    state: Data<HttpState>,
    live: Data<LiveState>,
) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&request, &state, DOOR).await?;
    let account = admitted.caller.account;
    let query = ListenQuery::parse(&query).map_err(|error| ApiError::bad_request(error.to_string()))?;
    (state.ready)().map_err(|why| ApiError::new(ErrorCode::ShuttingDown, why))?;
    let job = JobId::from_uuid(state.ids.uuid());
    let params = stream_params(job, account, query, &state, &live)?;
    let place = live
        .sessions
        .enter(admitted.holder(), live.sockets_per_account)
        .map_err(|error| ApiError::new(ErrorCode::TooManySockets, error.to_string()).retry_after(30))?;
    let admission =
        live.ports.recogniser.admit(&params.model, params.format.heard_channels()).map_err(not_admitted)?;
    let now = live.ports.clock.now();
    let (opened, lease) = live
        .ports
        .store
        .open_stream(NewStream {
            id: job,
            account,
            params: job_params(&params),
            log: log_ref(job),
            node: live.node,
            lease_until: now.plus_ms(live.live.lease.as_millis() as i64),
            now,
        })
        .await?;
    announce(&*live.ports.bus, opened.account, &state_of(&opened)).await;
    tracing::info!(job.id = %job, model = %params.model, channels = params.format.channels, "live stream opens");
    let gate = gate(live.max_message_bytes);
    let (place, drained) = (Arc::new(place), params.job);
    let (held, cut) = (place.clone(), cutter(&request));
    let session = SessionActor::run(SessionStart {
        ear: live.ears.open(params.format),
        params,
        live: live.live.clone(),
        ports: live.ports.clone(),
        admission,
        lease,
        log: log_ref(job),
        gate: gate.clone(),
        cut: cutter(&request),
        exit: ExitGuard::new(move |exit| {
            if exit == Exit::Panicked {
                tracing::error!(job.id = %drained, "a live session panicked");
                // Nobody is left to say goodbye; the job is recovered once its lease has run out.
                cut();
            }
            drop(held);
        }),
    });
    place.on_leave(Tell::to(session.clone()));
    let mut response =
        upgrade::upgrade(&request, payload, &session, gate, live.max_message_bytes, admitted.subprotocol)?;
    if let Ok(id) = HeaderValue::from_str(&job.to_string()) {
        response.headers_mut().insert(DG_REQUEST_ID, id);
    }
    Ok(response)
}

fn not_admitted(refused: Refused) -> ApiError {
    match refused {
        Refused::Full { retry_after } => ApiError::new(
            ErrorCode::AtCapacity,
            "the server carries as many live streams as it can; try again",
        )
        .retry_after(retry_after.as_secs().max(1)),
        Refused::TooManyChannels { carried } => ApiError::bad_request(format!(
            "this machine hears at most {carried} of a stream's channels; send fewer, or leave out multichannel=true \
             to have them mixed"
        )),
    }
}

fn stream_params(
    job: JobId,
    account: AccountId,
    query: ListenQuery,
    state: &HttpState,
    live: &LiveState,
) -> Result<StreamParams, ApiError> {
    let model = routing::model(&state.models, query.model.as_deref(), &live.default_model)?;
    let language = routing::language(model, query.language.as_deref())?;
    Ok(StreamParams {
        job,
        account,
        model: model.id.clone(),
        language,
        model_info: routing::model_info(model),
        model_uuid: routing::model_uuid(&model.id).to_string(),
        format: query.format,
        interim_results: query.interim_results,
        endpointing_ms: query.endpointing_ms,
        utterance_end_ms: query.utterance_end_ms,
        vad_events: query.vad_events,
        punctuate: query.punctuate,
        extra: query.extra,
    })
}

fn job_params(params: &StreamParams) -> JobParams {
    JobParams {
        job_type: JobType::Stream,
        language: Some(params.language.clone()),
        detect_language: None,
        target_language: None,
        model: Some(params.model.to_string()),
        multichannel: None,
        callback_url: None,
        priority: None,
    }
}
