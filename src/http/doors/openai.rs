//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`: a form with a file, its text in the answer, in OpenAI's
//! shapes. Translations are into English; what is English already is transcribed.

use crate::http::doors::openai_answer::{plain, translated, verbose};
use crate::http::doors::openai_form::{Form, Format};
use crate::http::doors::{params, routing, wait};
use crate::http::error::ApiError;
use crate::http::guard::{Guarded, JobsWrite};
use crate::http::state::HttpState;
use crate::http::upload::{self, Received, Upload, check_made};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use sottovoce_actors::ports::engine::ModelInfo;
use sottovoce_actors::ports::store::Job;
use sottovoce_protocol::ids::{AccountId, JobId, ModelId};
use sottovoce_protocol::jobs::{ArtifactKind, JobParams, JobType};
use sottovoce_protocol::transcript::Transcript;

const ENGLISH: &str = "en";

/// What a door does with the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task {
    Transcribe,
    Translate,
}

impl Task {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Transcribe => "transcribe",
            Self::Translate => "translate",
        }
    }
}

/// `POST /v1/audio/transcriptions`.
pub async fn transcribe(
    caller: Guarded<JobsWrite>,
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    answer(caller.caller.account, &request, payload, &state, Task::Transcribe).await
}

/// `POST /v1/audio/translations`.
pub async fn translate(
    caller: Guarded<JobsWrite>,
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    answer(caller.caller.account, &request, payload, &state, Task::Translate).await
}

async fn answer(
    account: AccountId,
    request: &HttpRequest,
    payload: Payload,
    state: &HttpState,
    task: Task,
) -> Result<HttpResponse, ApiError> {
    let (_waiting, place) = wait::enter(state, account)?;
    let id = JobId::from_uuid(state.ids.uuid());
    let mut form = Form::default();
    let mut take = |name: &str, value: &[u8]| form.take(name, value);
    let Received { file_name, object, stored } =
        upload::receive_fields(state, request, payload, id, &mut take).await?;
    form.check()?;
    let params = plan(task, &form, &state.models, &state.doors.default_model)?;
    check_made(&params, &state.models)?;
    let job_type = params.job_type;
    let upload = Upload { params, file_name, object, stored };
    upload::probe(state, &upload).await?;
    drop(place);

    let (job, made) = wait::done(state, request, account, id, upload).await?;
    let response = match job_type {
        JobType::Translation => translation(state, &job, form.format).await?,
        _ => transcript(state, &job, task, form).await?,
    };
    made.answered().await;
    Ok(response)
}

/// Returns what is to be done: no form says what language is spoken where a translation is wanted, so the model does.
fn plan(task: Task, form: &Form, models: &[ModelInfo], default: &ModelId) -> Result<JobParams, ApiError> {
    let model = routing::model(models, form.model.as_deref(), default)?;
    let language = routing::language(model, form.language.as_deref())?;
    let is_english = routing::primary(&language) == ENGLISH;
    let mut params = params(JobType::Transcription, language, &model.id);
    if task == Task::Translate && !is_english {
        params.job_type = JobType::Translation;
        params.target_language = Some(ENGLISH.to_owned());
    }
    Ok(params)
}

async fn transcript(state: &HttpState, job: &Job, task: Task, form: Form) -> Result<HttpResponse, ApiError> {
    let as_written = |kind| wait::artifact(state, job, kind, "");
    match form.format {
        Format::Json => {
            let shape = |transcript: Transcript| plain(transcript.text, transcript.duration_seconds);
            Ok(json(wait::reshaped(state, job, shape).await?))
        }
        Format::VerboseJson => {
            let shape = move |transcript| verbose(task.as_str(), transcript, &form);
            Ok(json(wait::reshaped(state, job, shape).await?))
        }
        Format::Text => Ok(text(as_written(ArtifactKind::Transcript).await?)),
        Format::Srt => Ok(text(as_written(ArtifactKind::Srt).await?)),
        Format::Vtt => Ok(text(as_written(ArtifactKind::Vtt).await?)),
    }
}

async fn translation(state: &HttpState, job: &Job, format: Format) -> Result<HttpResponse, ApiError> {
    let in_english = |kind| wait::artifact(state, job, kind, ENGLISH);
    let duration_s = job.duration_ms.unwrap_or_default() as f64 / 1000.0;
    let said = async || {
        let text = in_english(ArtifactKind::Translation).await?;
        Ok::<_, ApiError>(String::from_utf8_lossy(&text).trim_end().to_owned())
    };
    match format {
        Format::Json => Ok(HttpResponse::Ok().json(plain(said().await?, duration_s))),
        Format::VerboseJson => Ok(HttpResponse::Ok().json(translated(said().await?, duration_s))),
        Format::Text => Ok(text(in_english(ArtifactKind::Translation).await?)),
        Format::Srt => Ok(text(in_english(ArtifactKind::Srt).await?)),
        Format::Vtt => Ok(text(in_english(ArtifactKind::Vtt).await?)),
    }
}

fn json(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body)
}

fn text(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(task: Task, fields: &[(&str, &str)]) -> Result<JobParams, Option<&'static str>> {
        let model = |id: &str, language: &str| ModelInfo {
            id: ModelId::new(id),
            languages: vec![language.to_owned()],
            version: "1".into(),
        };
        let mut form = Form::default();
        for (name, value) in fields {
            form.take(name, value.as_bytes()).unwrap();
        }
        let models = [model("moonshine", "en"), model("moonshine-pt", "pt")];
        plan(task, &form, &models, &ModelId::new("moonshine")).map_err(|error| error.param())
    }

    #[test]
    fn other_services_models_are_the_default_and_its_language() {
        let params = planned(Task::Transcribe, &[("model", "whisper-1")]).unwrap();
        assert_eq!((params.job_type, params.target_language), (JobType::Transcription, None));
        assert_eq!((params.model.as_deref(), params.language.as_deref()), (Some("moonshine"), Some("en")));
        assert!(params.priority.is_some_and(|priority| priority > 0), "somebody waits");
        assert_eq!(planned(Task::Transcribe, &[("language", "pt")]), Err(Some("language")));
    }

    #[test]
    fn english_is_transcribed_and_the_rest_translated_into_it() {
        let english = planned(Task::Translate, &[("model", "whisper-1")]).unwrap();
        assert_eq!((english.job_type, english.target_language), (JobType::Transcription, None));
        let other = planned(Task::Translate, &[("model", "moonshine-pt")]).unwrap();
        assert_eq!((other.job_type, other.target_language.as_deref()), (JobType::Translation, Some("en")));
        assert_eq!(other.language.as_deref(), Some("pt"));
    }
}
