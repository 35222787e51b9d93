use tokio::sync::watch;

/// Tells every part of a process to end what it has begun and begin nothing new.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// The other end: whoever holds it may say stop. Dropping it says stop, too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Shutdown {
    /// A connected pair.
    pub fn pair() -> (Stopper, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Shutdown(receiver))
    }

    /// Whether it was said.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is said.
    pub async fn stopping(&self) {
        let mut receiver = self.0.clone();
        // An error means that the stopper is gone, which says stop as well.
        let _ = receiver.wait_for(|stop| *stop).await;
    }
}

impl Stopper {
    /// Says stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
