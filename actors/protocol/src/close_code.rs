//! Every WebSocket close the server sends, with its reason and what a client should do about it.

/// One row of the close table. The reason is at most 123 bytes (RFC 6455 §5.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Close {
    /// RFC 6455 status code.
    pub code: u16,
    /// Reason text on the wire, and the metric label.
    pub reason: &'static str,
    /// Whether connecting again makes sense.
    pub reconnect: bool,
}

macro_rules! closes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal, $reconnect:literal);* $(;)?) => {
        $($(#[$doc])* pub const $name: Close = Close { code: $code, reason: $reason, reconnect: $reconnect };)*
        /// Every close, for documentation and tests.
        pub const ALL: &[Close] = &[$($name),*];
    };
}

closes! {
    /// After `CloseStream` and the last `Metadata`.
    DONE = 1000, "", false;
    /// The server is stopping or restarting.
    GOING_AWAY = 1001, "server is leaving, reconnect", true;
    /// The frames break RFC 6455.
    PROTOCOL = 1002, "protocol error", false;
    /// A text frame is not UTF-8.
    NOT_UTF8 = 1007, "text is not valid UTF-8", false;
    /// Audio that cannot be decoded (Deepgram).
    BAD_AUDIO = 1008, "DATA-0000", false;
    /// A message that the protocol does not know, or breaks a limit of it.
    POLICY = 1008, "policy violation", false;
    /// A message is over the size limit.
    TOO_BIG = 1009, "message too big", false;
    /// No audio and no text for the idle window (Deepgram).
    IDLE = 1011, "NET-0001: no audio data or text message within the timeout window", true;
    /// Our fault.
    INTERNAL = 1011, "internal error", true;
    /// The login session ended.
    SESSION_OVER = 4401, "session over", false;
    /// Credits are used up.
    CREDITS = 4402, "credits exhausted", false;
    /// Not allowed.
    FORBIDDEN = 4403, "not allowed", false;
    /// The status client reads too slowly.
    STATUS_SLOW = 4408, "too slow", true;
    /// Too many sockets, subscriptions or messages.
    TOO_MANY = 4429, "too many", true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_a_close_frame() {
        assert!(ALL.iter().all(|close| close.reason.len() <= 123));
    }
}
