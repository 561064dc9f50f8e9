//! Progress of operations that read many objects.

/// Receives the progress of an operation, for example to draw a progress bar.
pub trait Progress: Sync {
    /// Sets the description of what is being read.
    fn set_message(&self, message: &str);
    /// Increases the total by a number of objects.
    fn add_total(&self, objects: usize);
    /// Counts one object as read.
    fn advance(&self);
}
