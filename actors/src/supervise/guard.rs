//! `ExitGuard`: tells the parent how an actor ended, panic included. A field of every actor; owns no policy.

/// How an actor ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It said that its work is done.
    Done,
    /// It was told to stop and did.
    Drained,
    /// It gave up because of a fault it could name.
    Failed,
    /// It panicked, or was dropped with work left.
    Panicked,
}

/// Reports an actor's end exactly once, when it is dropped.
pub struct ExitGuard {
    exit: Exit,
    report: Option<Box<dyn FnOnce(Exit) + Send>>,
}

impl ExitGuard {
    /// Calls `report` when dropped; it must be short and must not block.
    pub fn new(report: impl FnOnce(Exit) + Send + 'static) -> Self {
        Self { exit: Exit::Panicked, report: Some(Box::new(report)) }
    }

    /// Notes how the actor is about to end.
    pub fn set(&mut self, exit: Exit) {
        self.exit = exit;
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        let exit = if std::thread::panicking() { Exit::Panicked } else { self.exit };
        if let Some(report) = self.report.take() {
            report(exit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn recorded(run: impl FnOnce(ExitGuard) + std::panic::UnwindSafe) -> Vec<Exit> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let guard = ExitGuard::new(move |exit| sink.lock().unwrap().push(exit));
        let moved = std::panic::AssertUnwindSafe(guard);
        let _ = std::panic::catch_unwind(move || {
            let moved = moved;
            run(moved.0)
        });
        seen.lock().unwrap().clone()
    }

    #[test]
    fn reports_the_noted_exit_once() {
        assert_eq!(recorded(|mut guard| guard.set(Exit::Done)), [Exit::Done]);
    }

    #[test]
    fn a_panic_wins_over_the_noted_exit() {
        let exits = recorded(|mut guard| {
            guard.set(Exit::Done);
            panic!("planned");
        });
        assert_eq!(exits, [Exit::Panicked]);
    }

    #[test]
    fn silence_counts_as_a_panic() {
        assert_eq!(recorded(drop), [Exit::Panicked]);
    }
}
