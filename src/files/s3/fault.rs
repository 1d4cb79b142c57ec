//! Errors of the object server in the port's terms. Names the server's code and status, never keys or signatures.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use sottovoce_actors::ports::files::FileError;
use std::error::Error;

/// Answers of the server that are told apart.
pub const NOT_FOUND: u16 = 404;
const RANGE_NOT_SATISFIABLE: u16 = 416;

/// Returns the status of an answer that is an error.
pub fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Turns an error into the port's: what is not absent is for now unavailable.
pub fn translate<E>(error: SdkError<E, HttpResponse>) -> FileError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match (status(&error), error.code()) {
        (Some(NOT_FOUND), Some("NoSuchBucket")) => FileError::Unavailable("there is no such bucket".into()),
        (Some(NOT_FOUND), _) => FileError::NotFound,
        (Some(RANGE_NOT_SATISFIABLE), _) => FileError::BadRange,
        _ => FileError::Unavailable(describe(&error)),
    }
}

/// As [`translate`], where nothing that is absent is meant.
pub fn unavailable<E>(error: SdkError<E, HttpResponse>) -> FileError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    FileError::Unavailable(describe(&error))
}

/// Returns a short text: the server's code, or why there is no answer.
pub fn describe<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match error {
        SdkError::TimeoutError(_) => "the object server did not answer in time".into(),
        SdkError::DispatchFailure(_) => {
            format!("the object server cannot be reached ({})", root_cause(error))
        }
        _ => match (status(error), error.code()) {
            (Some(status), Some(code)) => format!("the object server answered {status} {code}"),
            (Some(status), None) => format!("the object server answered {status}"),
            (None, _) => format!("no request could be made ({})", root_cause(error)),
        },
    }
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
