//! Bytes waiting to be sent on one connection.

use super::limits::BUFFER_KEPT_BYTES;

/// A first-in first-out queue of bytes that costs nothing while it is empty.
#[derive(Debug, Default)]
pub struct OutputQueue {
    bytes: Vec<u8>,
    sent: usize,
}

impl OutputQueue {
    /// What is still to be sent, in one piece.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Bytes still to be sent.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The end of the queue; only append.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The first `n` pending bytes were sent.
    pub fn consume(&mut self, n: usize) {
        self.sent = (self.sent + n).min(self.bytes.len());
        if self.is_empty() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > BUFFER_KEPT_BYTES {
                self.bytes = Vec::new();
            }
        } else if self.sent > self.bytes.len() / 2 {
            // Moving less than what was sent keeps the copying linear in all.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Gives back the room of what was sent. Until then up to half of the queue may be that.
    pub fn compact(&mut self) {
        self.bytes.drain(..self.sent);
        self.sent = 0;
    }

    /// Bytes that it holds, sent ones among them.
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets what was not sent.
    pub fn clear(&mut self) {
        *self = OutputQueue::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_large_buffers_are_given_back() {
        let mut queue = OutputQueue::default();
        let mut expected = Vec::new();
        let mut seen = Vec::new();
        for i in 0..2000u32 {
            queue.tail().extend_from_slice(&i.to_le_bytes());
            expected.extend_from_slice(&i.to_le_bytes());
            let n = (i as usize * 7) % 6;
            let n = n.min(queue.len());
            seen.extend_from_slice(&queue.pending()[..n]);
            queue.consume(n);
        }
        seen.extend_from_slice(queue.pending());
        queue.consume(queue.len());
        assert_eq!(seen, expected);
        assert_eq!(queue.bytes.capacity(), 0);
        queue.tail().extend_from_slice(b"small");
        queue.consume(5);
        assert!(queue.is_empty() && queue.bytes.capacity() > 0);
    }
}
