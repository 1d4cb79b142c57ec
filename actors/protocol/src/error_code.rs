//! Every stable error code of the REST surface and of jobs. The HTTP status of a code is the server's affair
//! (`src/http/error.rs`); the sentence comes from the error that carries the code.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// A stable code: programs may match on it, it is never renamed.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name),*
        }

        impl ErrorCode {
            /// Every code, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Returns the code that a wire text names.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The request is malformed.
    BadRequest = "bad_request",
    /// A page cursor was altered or is from another list.
    BadCursor = "bad_cursor",
    /// No credential, or one that is not valid (any more).
    Unauthorized = "unauthorized",
    /// The e-mail address or the password is wrong; which of the two is not told.
    LoginFailed = "login_failed",
    /// The refresh token is unknown, expired or revoked: log in again.
    RefreshInvalid = "refresh_invalid",
    /// A refresh token came a second time; its whole login was ended.
    RefreshReused = "refresh_reused",
    /// The login is too old for what was asked: log in again.
    ReauthRequired = "reauth_required",
    /// The one-time ticket is unknown, used, expired, or for something else.
    Ticket = "ticket",
    /// A request that uses the cookie lacks the header against forged requests.
    Csrf = "csrf",
    /// New accounts are not taken, or only with an invitation.
    RegistrationClosed = "registration_closed",
    /// The one-time link is unknown, used or expired.
    LinkInvalid = "link_invalid",
    /// The address has an account already.
    EmailTaken = "email_taken",
    /// The address has not been confirmed yet.
    EmailUnverified = "email_unverified",
    /// The password is too short, too long or too easily guessed.
    PasswordUnsuitable = "password_unsuitable",
    /// The account has as many keys as it may.
    TooManyKeys = "too_many_keys",
    /// `return_to` is no path of this server.
    BadReturnTo = "bad_return_to",
    /// The identity provider does not answer.
    IdpUnavailable = "idp_unavailable",
    /// The credential lacks the needed scope.
    Scope = "scope",
    /// The `Origin` is not on the list.
    Origin = "origin",
    /// No such thing, or not yours.
    NotFound = "not_found",
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed",
    /// The artifact is not there yet.
    NotReady = "not_ready",
    /// The same key came with another request.
    IdempotencyMismatch = "idempotency_mismatch",
    /// The body is over the limit.
    TooLarge = "too_large",
    /// The body came slower than the minimum rate, or not at all.
    UploadTooSlow = "upload_too_slow",
    /// The range cannot be served.
    RangeNotSatisfiable = "range_not_satisfiable",
    /// Too many requests.
    RateLimited = "rate_limited",
    /// Too many jobs are queued.
    TooManyJobs = "too_many_jobs",
    /// Too many sockets are open.
    TooManySockets = "too_many_sockets",
    /// The transcript was not ready within the time that a request may wait for it.
    TimedOut = "timed_out",
    /// The machine carries as many live streams as it can.
    AtCapacity = "at_capacity",
    /// A WebSocket was expected.
    UpgradeRequired = "upgrade_required",
    /// The server is stopping.
    ShuttingDown = "shutting_down",
    /// Storage does not answer.
    StorageUnavailable = "storage_unavailable",
    /// The container or codec is not one we decode.
    MediaUnsupported = "media_unsupported",
    /// The file is damaged.
    MediaCorrupt = "media_corrupt",
    /// The audio is longer than allowed.
    MediaTooLong = "media_too_long",
    /// The file has no audio track.
    NoAudio = "no_audio",
    /// The decoded length differs from the announced one.
    DurationMismatch = "duration_mismatch",
    /// The text is not UTF-8.
    TextInvalid = "text_invalid",
    /// The language is not one the model understands.
    LanguageUnsupported = "language_unsupported",
    /// No such model.
    ModelUnknown = "model_unknown",
    /// A remote engine does not answer.
    ProviderUnavailable = "provider_unavailable",
    /// A remote engine refused the work.
    ProviderRejected = "provider_rejected",
    /// No credits are left.
    CreditsExhausted = "credits_exhausted",
    /// The worker died and the attempts are spent, or a stream's server died.
    LeaseExpired = "lease_expired",
    /// The owner cancelled it.
    Canceled = "canceled",
    /// Our fault.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
