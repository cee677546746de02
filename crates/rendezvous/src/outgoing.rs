//! What the table wants done: texts for connections, and connections that must end.

use crate::Question;

/// Names a connection. The caller gives each its own and never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A text for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who gets it.
    pub to: ConnId,
    /// One JSON object: one WebSocket message.
    pub text: String,
    /// Whose doing it is.
    pub cause: Cause,
}

/// Whose doing a text is. It decides what happens to one that its receiver has no room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The receiver's: it asked for this reply. One that does not take its replies is to be closed.
    Receiver,
    /// Another peer's, so it must not harm the receiver: without room it is dropped, and the one that sent it is told so
    /// with this text, if there is one.
    Other(Option<String>),
}

/// What becomes of a message and its connection.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// All is well, or was answered with an error.
    Stay,
    /// It floods: send what is there for it, then close it.
    Close,
    /// It is for the caller to say whether somebody may join: see [`Table::answer`](crate::Table::answer). Only where
    /// [`Config::asks`](crate::Config::asks) is set.
    Ask(Box<Question>),
}
