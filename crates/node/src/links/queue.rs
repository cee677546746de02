//! Messages that wait for the stack to take them, and the room that is told. Invariant: the stack is never given more than
//! the buffer that was asked for, but for one message that is longer and goes alone.

use super::stack::Broken;
use bytes::Bytes;
use std::collections::VecDeque;
use wire::MAX_MESSAGE_BYTES;

/// What may wait, bytes. A sender that heeds the room never gets there.
const QUEUE_BYTES: usize = 1024 * 1024;

/// The queue of one connection.
pub(super) struct Queue {
    messages: VecDeque<Bytes>,
    bytes: usize,
    buffer: usize,
    told: usize,
    must_tell: bool,
}

impl Queue {
    /// An empty one, for a stack that may have so many bytes.
    pub fn new(buffer: usize) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, buffer, told: 0, must_tell: true }
    }

    /// Puts a message at its end.
    pub fn push(&mut self, message: Bytes) -> Result<(), Broken> {
        self.bytes += message.len();
        self.must_tell = true;
        if message.len() > MAX_MESSAGE_BYTES || self.bytes > QUEUE_BYTES {
            return Err(Broken);
        }
        self.messages.push_back(message);
        Ok(())
    }

    /// The next message, if the stack may have it beside what it has `buffered`.
    pub fn next(&self, buffered: usize) -> Option<&Bytes> {
        self.messages.front().filter(|message| buffered == 0 || buffered + message.len() <= self.buffer)
    }

    /// The stack has taken the next message.
    pub fn pop(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.len();
        }
    }

    /// Nothing is to be sent any more.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Below this the stack shall say so.
    pub fn low_water(&self) -> usize {
        self.buffer / 2
    }

    /// The room, if it is to be told: after every message, and while it drains whenever an eighth of the buffer has become
    /// free, or the last of it.
    pub fn room_to_tell(&mut self, buffered: usize) -> Option<u32> {
        let room = self.buffer.saturating_sub(self.bytes + buffered);
        let is_more = room >= self.told + self.buffer / 8 || room == self.buffer;
        if !(self.must_tell || room != self.told && is_more) {
            return None;
        }
        self.must_tell = false;
        self.told = room;
        Some(u32::try_from(room).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_longer_than_the_buffer_goes_alone() {
        let mut queue = Queue::new(100);
        queue.push(Bytes::from(vec![0; 150])).expect("it fits");
        queue.push(Bytes::from(vec![0; 60])).expect("it fits");
        assert!(queue.next(1).is_none() && queue.next(0).is_some());
        queue.pop();
        assert!(queue.next(41).is_none() && queue.next(40).is_some());
        assert!(queue.push(Bytes::from(vec![0; MAX_MESSAGE_BYTES + 1])).is_err());
    }

    #[test]
    fn room_is_told_after_messages_and_in_steps_as_it_drains() {
        let mut queue = Queue::new(800);
        assert_eq!(queue.room_to_tell(0), Some(800));
        assert_eq!(queue.room_to_tell(0), None);
        queue.push(Bytes::from(vec![0; 500])).expect("it fits");
        assert_eq!(queue.room_to_tell(0), Some(300));
        queue.pop();
        assert_eq!(queue.room_to_tell(500), None);
        assert_eq!(queue.room_to_tell(450), None);
        assert_eq!(queue.room_to_tell(390), Some(410));
        assert_eq!(queue.room_to_tell(1), Some(799));
        assert_eq!(queue.room_to_tell(0), Some(800));
        assert_eq!(queue.room_to_tell(0), None);
    }
}
