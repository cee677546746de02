//! The half that serves.
//!
//! The invariants: one request is served at a time, the last one; one segment is read at a time, so that a peer that asks
//! a thousand times a second costs one read; every request that is not replaced or cancelled is answered, by the segment or by
//! its absence.

use bytes::Bytes;

use crate::pml::wire::{Command, RequestId, SegmentId, chunk_len};

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) segment: SegmentId,
    pub(super) request: RequestId,
    pub(super) from: u32,
}

impl Order {
    fn absent(self) -> Step {
        Step::Say(Command::Absent { segment: self.segment, request: self.request })
    }
}

/// What is to be done next.
pub(super) enum Step {
    Nothing,
    Read(SegmentId),
    Say(Command),
}

#[derive(Debug, Default)]
pub(super) struct Upload {
    /// What the driver is reading.
    reading: Option<SegmentId>,
    /// The request that waits for its segment to be read.
    waiting: Option<Order>,
    /// The request that is being served, and the bytes that are left to send.
    sending: Option<(Order, Bytes)>,
}

impl Upload {
    pub(super) fn request(&mut self, order: Order, held: bool) -> Step {
        self.sending = None;
        self.waiting = None;
        if !held {
            return order.absent();
        }
        self.waiting = Some(order);
        self.next_read()
    }

    pub(super) fn cancel(&mut self, request: RequestId) {
        self.waiting.take_if(|order| order.request == request);
        self.sending.take_if(|(order, _)| order.request == request);
    }

    pub(super) fn read(&mut self, segment: SegmentId, bytes: Option<Bytes>) -> Step {
        if self.reading != Some(segment) {
            return Step::Nothing;
        }
        self.reading = None;
        let Some(order) = self.waiting.take_if(|order| order.segment == segment) else {
            return self.next_read();
        };
        // Nothing is sent of a segment without bytes, or after its end: receivers take that for a fault.
        let left = bytes.and_then(|bytes| {
            let length = u32::try_from(bytes.len()).ok()?.checked_sub(order.from).filter(|left| *left > 0)?;
            Some((length, bytes.slice(order.from as usize..)))
        });
        let Some((bytes, left)) = left else { return order.absent() };
        let command = Command::Data { segment, request: order.request, bytes };
        self.sending = Some((order, left));
        Step::Say(command)
    }

    /// The next chunk to send.
    pub(super) fn chunk(&mut self, max_message: usize) -> Option<Bytes> {
        let (_, left) = self.sending.as_mut()?;
        let length = chunk_len(left, max_message);
        (length > 0).then(|| left.split_to(length))
    }

    /// The end of the segment, once, when its last chunk is sent.
    pub(super) fn completed(&mut self) -> Option<Command> {
        let (order, _) = self.sending.take_if(|(_, left)| left.is_empty())?;
        Some(Command::Completed { segment: order.segment, request: order.request })
    }

    pub(super) fn is_serving(&self) -> bool {
        self.waiting.is_some() || self.sending.is_some()
    }

    fn next_read(&mut self) -> Step {
        match self.waiting {
            Some(order) if self.reading.is_none() => {
                self.reading = Some(order.segment);
                Step::Read(order.segment)
            }
            _ => Step::Nothing,
        }
    }
}
