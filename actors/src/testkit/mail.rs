//! Mail that is kept in memory, for tests to read.

use crate::ports::mail::{Mail, MailError, Mailer};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

const CAPACITY: usize = 64;

/// Keeps letters in the order they came.
pub struct MemoryMail {
    letters: mpsc::Sender<Mail>,
    received: Mutex<mpsc::Receiver<Mail>>,
}

impl Default for MemoryMail {
    fn default() -> Self {
        let (letters, receiver) = mpsc::channel(CAPACITY);
        Self { letters, received: Mutex::new(receiver) }
    }
}

impl MemoryMail {
    /// Waits for the next letter and takes it out.
    ///
    /// # Panics
    /// Never: the sender lives as long as this.
    pub async fn next(&self) -> Mail {
        self.received.lock().await.recv().await.expect("the sender is ours")
    }
}

#[async_trait]
impl Mailer for MemoryMail {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        self.letters.try_send(mail).map_err(|_| MailError("the box is full".into()))
    }
}
