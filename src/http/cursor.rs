//! Page cursors: the place after an item, signed, bound to the list they came from. A cursor is opaque to clients.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::ids::JobId;
use uuid::Uuid;

const PLACE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Signs cursors.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// Wraps 256 random bits.
    pub const fn new(bits: [u8; 32]) -> Self {
        Self(bits)
    }

    /// Returns the cursor of the page after this item of the list that `list` names (owner and filters).
    pub fn sign(&self, list: &str, created_at: EpochMs, id: JobId) -> String {
        let mut cursor = Vec::with_capacity(PLACE_BYTES + TAG_BYTES);
        cursor.extend_from_slice(&created_at.0.to_be_bytes());
        cursor.extend_from_slice(id.as_uuid().as_bytes());
        let tag = self.mac(list, &cursor).finalize().into_bytes();
        cursor.extend_from_slice(&tag[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(cursor)
    }

    /// Returns the place, unless the cursor was altered or is another list's.
    pub fn open(&self, list: &str, cursor: &str) -> Option<(EpochMs, JobId)> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        if bytes.len() != PLACE_BYTES + TAG_BYTES {
            return None;
        }
        let (place, tag) = bytes.split_at(PLACE_BYTES);
        self.mac(list, place).verify_truncated_left(tag).ok()?;
        let (created_at, id) = place.split_at(8);
        let created_at = EpochMs(i64::from_be_bytes(created_at.try_into().ok()?));
        Some((created_at, JobId::from_uuid(Uuid::from_slice(id).ok()?)))
    }

    fn mac(&self, list: &str, place: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length (RFC 2104)");
        mac.update(place);
        mac.update(list.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_whole_and_for_its_list() {
        let key = CursorKey::new([7; 32]);
        let id = JobId::from_uuid(Uuid::from_u128(0x0192_1234));
        let cursor = key.sign("me", EpochMs(1_234), id);
        assert_eq!(key.open("me", &cursor), Some((EpochMs(1_234), id)));
        assert_eq!(key.open("you", &cursor), None);
        assert_eq!(CursorKey::new([8; 32]).open("me", &cursor), None);
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        for place in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[place] ^= 1;
            assert_eq!(key.open("me", &URL_SAFE_NO_PAD.encode(altered)), None);
        }
        for text in ["", "!", &cursor[1..], &format!("{cursor}AA")] {
            assert_eq!(key.open("me", text), None);
        }
    }
}
