//! Links to the bucket, followed by a client that knows nothing else.

use super::scratch::{Scratch, object};
use crate::files::s3::Checksums;
use bytes::Bytes;
use sottovoce_actors::ports::files::{FileStore, LinkTerms};
use std::time::Duration;

const TERMS: LinkTerms<'_> = LinkTerms {
    expires_in: Duration::from_secs(60),
    content_type: "text/vtt; charset=utf-8",
    disposition: "attachment; filename=\"a talk.vtt\"; filename*=UTF-8''a%20talk.vtt",
};

#[actix::test]
async fn a_link_gives_the_object_with_its_headers_and_nothing_else() {
    for checksums in [Checksums::WhenRequired, Checksums::WhenSupported] {
        let mut scratch = Scratch::new();
        scratch.settings.checksums = checksums;
        let files = scratch.open().await;
        for name in ["a", "b"] {
            let mut writer = files.create(&object(name)).await.expect("create");
            writer.write(Bytes::from(format!("WEBVTT {name}"))).await.expect("write");
            writer.finish().await.expect("finish");
        }
        let link = files.link(&object("a"), &TERMS).await.expect("signed").expect("a link");
        assert!(link.contains("X-Amz-Expires=60") && !link.contains(&scratch.settings.secret_access_key));

        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(&link).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], TERMS.content_type);
        assert_eq!(answer.headers()["content-disposition"], TERMS.disposition);
        assert_eq!(answer.text().await.expect("text"), "WEBVTT a");
        let part = client.get(&link).header("range", "bytes=7-7").send().await.expect("an answer");
        assert_eq!((part.status().as_u16(), part.text().await.expect("text").as_str()), (206, "a"));

        for tampered in [
            link.replace("/objects/a?", "/objects/b?"),
            link.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
            link.replace("vtt", "html"),
        ] {
            assert_ne!(tampered, link);
            let refused = client.get(&tampered).send().await.expect("an answer");
            assert_eq!(refused.status(), 403, "{tampered}");
        }
        let refused = client.delete(&link).send().await.expect("an answer");
        assert_eq!(refused.status(), 403, "a link is for reading");
    }
}
