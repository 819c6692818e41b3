//! Taking back a statement that the engine has not answered yet.

use std::sync::Arc;

use tokio::sync::watch;

/// Says whether a statement that is being submitted is still wanted. All clones are the same one.
///
/// A driver that can end a statement before it has accepted it waits for [`Withdrawal::asked`] beside its server's
/// answer, and then fails with [`crate::ErrorKind::Cancelled`] once nothing of the statement is left. One that can't
/// need not look: what it accepts late is cancelled by the shell.
#[derive(Debug, Clone)]
pub struct Withdrawal(Arc<watch::Sender<bool>>);

impl Default for Withdrawal {
    fn default() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }
}

impl Withdrawal {
    /// The statement is no longer wanted.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is no longer wanted.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is no longer wanted; never, if it stays so.
    pub async fn asked(&self) {
        // The sender lives as long as `self`: waiting can't fail.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}
