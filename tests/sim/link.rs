//! The client's end of a link, written from src/net/link.rs alone and stricter than the page's own: what that
//! forgives is a complaint here.

use serde_json::Value;

/// A frame that may not have taken effect.
#[derive(Debug)]
struct Kept {
    number: u64,
    text: String,
    check: u32,
    inputs: Vec<usize>,
}

/// What a text of the server's comes to.
#[derive(Debug)]
pub enum Heard {
    /// The view goes on; these are to be sent again.
    Resumed(Vec<String>),
    /// The view is a new one. What certainly has not taken effect of what was sent, and of what
    /// nobody knows.
    Anew {
        lost: Vec<usize>,
        doubt: Vec<usize>,
    },
    Frame {
        text: String,
        ack: u64,
    },
    Acknowledged,
}

#[derive(Debug, Default)]
pub struct Link {
    pub view: u64,
    pub greeted: bool,
    pub sent: u64,
    sent_check: u32,
    kept: Vec<Kept>,
    received: u64,
    received_check: u32,
    handled: u64,
    handled_check: u32,
    /// Frames that the server was not told of.
    pub unacknowledged: u64,
    /// Which inputs are known to have taken effect, since this was asked last.
    pub done: Vec<usize>,
    /// Every frame of this view, as it came; and as it went.
    heard: Vec<String>,
    said: Vec<String>,
    past: Vec<Past>,
}

/// What is known of a view.
#[derive(Debug)]
pub struct Past {
    pub view: u64,
    pub heard: Vec<String>,
    pub said: Vec<String>,
    /// So many of those took effect.
    pub handled: u64,
}

impl Link {
    /// All that is known of its views.
    pub fn into_past(mut self) -> Vec<Past> {
        self.end_view();
        self.past
    }

    fn end_view(&mut self) {
        if self.view > 0 {
            self.past.push(Past {
                view: self.view,
                heard: std::mem::take(&mut self.heard),
                said: std::mem::take(&mut self.said),
                handled: self.handled,
            });
        }
    }

    /// What the address of the next connection says.
    pub fn query(&self) -> String {
        let Link {
            view,
            received,
            received_check,
            ..
        } = self;
        match view {
            0 => String::new(),
            view => format!("?view={view}&received={received}&check={received_check}"),
        }
    }

    pub fn lost(&mut self) {
        self.greeted = false;
    }

    /// Our history is made to differ from the server's.
    pub fn spoil(&mut self) {
        self.received_check ^= 1;
    }

    pub fn waits(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Makes a frame of ours.
    pub fn send(&mut self, text: &str, inputs: Vec<usize>) -> String {
        self.sent += 1;
        self.sent_check = crc32c::crc32c_append(self.sent_check, text.as_bytes());
        self.said.push(text.to_owned());
        self.kept.push(Kept {
            number: self.sent,
            text: text.to_owned(),
            check: self.sent_check,
            inputs,
        });
        self.unacknowledged = 0;
        format!("{} {} {text}", self.sent, self.received)
    }

    pub fn acknowledgement(&mut self, ask: bool) -> String {
        self.unacknowledged = 0;
        format!("0 {}{}", self.received, if ask { " ?" } else { "" })
    }

    pub fn take(&mut self, text: &str) -> Heard {
        if !self.greeted {
            return self.greet(text);
        }
        let (number, rest) = text.split_once(' ').expect("a number and more");
        let (ack, frame) = match rest.split_once(' ') {
            Some((ack, frame)) => (ack, Some(frame)),
            None => (rest, None),
        };
        let number: u64 = number.parse().expect("a number");
        let ack: u64 = ack.parse().expect("an acknowledgement");
        assert!(
            ack <= self.sent,
            "frame {ack} is acknowledged and was never sent"
        );
        self.acknowledged(ack);
        let Some(frame) = frame else {
            assert_eq!(number, 0, "a number without a frame");
            return Heard::Acknowledged;
        };
        assert_eq!(
            number,
            self.received + 1,
            "frames come one after the other, and each once: {text}"
        );
        self.received = number;
        self.received_check = crc32c::crc32c_append(self.received_check, frame.as_bytes());
        self.unacknowledged += 1;
        self.heard.push(frame.to_owned());
        let text = frame.to_owned();
        Heard::Frame { text, ack }
    }

    fn greet(&mut self, text: &str) -> Heard {
        let greeting: Value = serde_json::from_str(text).expect("a greeting is JSON");
        self.greeted = true;
        let handled = greeting["handled"].as_u64();
        if greeting["resumed"] == true {
            assert_eq!(
                greeting["view"], self.view,
                "another view was resumed: {text}"
            );
            let handled = handled.expect("a view that goes on knows what it has handled");
            assert!(
                handled >= self.handled,
                "what was acknowledged is not handled: {text}"
            );
            assert!(handled <= self.sent, "more was handled than sent: {text}");
            self.acknowledged(handled);
            assert_eq!(
                greeting["check"], self.handled_check,
                "frames arrived as others than were sent"
            );
            let again = self.kept.iter();
            let received = self.received;
            let again = again.map(|kept| format!("{} {received} {}", kept.number, kept.text));
            return Heard::Resumed(again.collect());
        }
        self.begin(
            greeting["view"].as_u64().expect("a view has a number"),
            handled,
        )
    }

    /// A new view. `handled` of the one before took effect, if anybody knows.
    fn begin(&mut self, view: u64, handled: Option<u64>) -> Heard {
        let mut lost = Vec::new();
        let mut doubt = Vec::new();
        if let Some(handled) = handled {
            assert!(
                handled >= self.handled,
                "what was acknowledged is not handled"
            );
            self.acknowledged(handled);
            lost = self.kept.drain(..).flat_map(|kept| kept.inputs).collect();
        } else {
            doubt = self.kept.drain(..).flat_map(|kept| kept.inputs).collect();
        }
        self.end_view();
        *self = Link {
            view,
            greeted: true,
            done: std::mem::take(&mut self.done),
            past: std::mem::take(&mut self.past),
            ..Link::default()
        };
        Heard::Anew { lost, doubt }
    }

    fn acknowledged(&mut self, ack: u64) {
        let done = self
            .kept
            .iter()
            .take_while(|kept| kept.number <= ack)
            .count();
        for kept in self.kept.drain(..done) {
            self.handled = kept.number;
            self.handled_check = kept.check;
            self.done.extend(kept.inputs);
        }
    }
}
