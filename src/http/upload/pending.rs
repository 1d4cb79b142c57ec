//! An uploaded object that no row names yet: deleted when dropped, unless it is kept. A client that goes away drops the
//! handler, and with it this.

use sottovoce_actors::ports::files::FileStore;
use sottovoce_actors::ports::store::StorageRef;
use std::sync::Arc;

pub struct PendingObject {
    files: Arc<dyn FileStore>,
    name: StorageRef,
    kept: bool,
}

impl PendingObject {
    pub fn new(files: Arc<dyn FileStore>, name: StorageRef) -> Self {
        Self { files, name, kept: false }
    }

    pub fn name(&self) -> &StorageRef {
        &self.name
    }

    /// A row may name it from now on: whoever is dropped meanwhile, only the janitor decides.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// No row names it for certain.
    pub fn give_up(mut self) {
        self.kept = false;
    }
}

impl Drop for PendingObject {
    fn drop(&mut self) {
        if self.kept || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (files, name) = (self.files.clone(), self.name.clone());
        tokio::spawn(async move {
            if let Err(error) = files.delete(&name).await {
                tracing::warn!(object = %name.0, %error, "refused upload is left to the orphan sweep");
            }
        });
    }
}
