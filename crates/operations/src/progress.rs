//! The progress of an operation that reads many objects.

/// Told of the progress of an operation.
pub trait Progress: Sync {
    /// What is read now.
    fn set_message(&self, message: &str);
    /// So many more objects are to be read.
    fn add_total(&self, objects: usize);
    /// One more object was read.
    fn advance(&self);
}
