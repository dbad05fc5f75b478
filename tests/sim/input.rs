//! What a user does that leaves a trace in the app, and what is known of it.

/// Something a user does that leaves a trace in the app.
#[derive(Debug)]
pub struct Input {
    pub token: String,
    /// The method that is called; none: the tab's own text is written.
    pub call: Option<&'static str>,
    pub fate: Fate,
    pub at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not said yet.
    Waiting,
    Said,
    /// The server has said that it took effect.
    Done,
    /// It was said, and nobody can know.
    Doubt,
    /// It was never said.
    Dropped,
}
