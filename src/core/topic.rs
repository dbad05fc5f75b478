//! Topics: what sessions of one server publish to each other.
//!
//! A published message is an input of each session that gets it: the shell takes it with
//! `SessionManager::take_message`, records it and feeds it back as an event. So a session can be run
//! again alone, without those that published.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::id::SessionId;
use super::watch::WatchHandle;

/// Bytes of a topic's name.
pub const TOPIC_MAX: usize = 200;
/// Bytes of one message as JSON.
pub const MESSAGE_MAX: usize = 256 << 10;
/// Messages and bytes that may wait for one session: a slow one must not fill the memory of all.
const WAITING_MAX: usize = 1_000;
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Values that are kept for late subscribers, and bytes of all of them.
const RETAINED_MAX: usize = 1_000;
const RETAINED_BYTES_MAX: usize = 16 << 20;

/// What a script did with topics, in the order in which it did so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicNews {
    Published {
        topic: Box<str>,
        /// Valid JSON; `null` takes a retained value away.
        value: Box<str>,
        retain: bool,
    },
    Subscribed {
        topic: Box<str>,
        watch: WatchHandle,
    },
    /// The last subscription of this session to the topic ended.
    Unsubscribed {
        topic: Box<str>,
    },
}

/// A message on its way to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Those on their way in one server: the later, the higher. Nothing that a session does depends on it.
    pub number: u64,
    pub topic: Rc<str>,
    /// Valid JSON.
    pub value: Rc<str>,
    /// A retained value goes to the subscription that has just been made and to no other.
    pub only: Option<WatchHandle>,
}

/// Who subscribed to what, what is kept for late subscribers, and what is on its way.
#[derive(Debug, Default)]
pub(super) struct Topics {
    subscribers: BTreeMap<Box<str>, BTreeSet<SessionId>>,
    /// Sessions that sleep and of which nobody knows to what they subscribed: everything is for them.
    unknown: BTreeSet<SessionId>,
    retained: BTreeMap<Box<str>, Rc<str>>,
    retained_bytes: usize,
    retained_changes: u64,
    queue: VecDeque<(SessionId, Message)>,
    /// The number of the message that was published last.
    last: u64,
    /// Messages and bytes in `queue`, by session.
    waiting: BTreeMap<SessionId, (usize, usize)>,
    /// Sessions for which something was dropped since they last had caught up: told once.
    behind: BTreeSet<SessionId>,
    /// A value could not be kept: told once until there is room again.
    full: bool,
}

impl Topics {
    /// Takes note of one thing that `session` did. `Err`: why nothing or not all of it happened.
    pub fn take_news(&mut self, session: SessionId, news: TopicNews) -> Result<(), String> {
        match news {
            TopicNews::Published {
                topic,
                value,
                retain,
            } => self.publish(&topic, value.into(), retain),
            TopicNews::Subscribed { topic, watch } => {
                self.subscribe(session, &topic);
                match self.retained.get(&topic).cloned() {
                    Some(value) => {
                        let message = self.message(&topic, value, Some(watch));
                        self.enqueue(session, message)
                    }
                    None => Ok(()),
                }
            }
            TopicNews::Unsubscribed { topic } => {
                if let Some(sessions) = self.subscribers.get_mut(&topic) {
                    sessions.remove(&session);
                    if sessions.is_empty() {
                        self.subscribers.remove(&topic);
                    }
                }
                Ok(())
            }
        }
    }

    /// Messages to `topic` are for `session`, too.
    pub fn subscribe(&mut self, session: SessionId, topic: &str) {
        if let Some(sessions) = self.subscribers.get_mut(topic) {
            sessions.insert(session);
        } else {
            let sessions = BTreeSet::from([session]);
            self.subscribers.insert(topic.into(), sessions);
        }
    }

    /// All messages are for `session`, until it is known which.
    pub fn subscribe_to_all(&mut self, session: SessionId) {
        self.unknown.insert(session);
    }

    /// Whether messages to `topic` are for `session`.
    pub fn is_subscribed(&self, session: SessionId, topic: &str) -> bool {
        let known = self.subscribers.get(topic);
        known.is_some_and(|sessions| sessions.contains(&session))
    }

    /// No more messages are for `session`; those on their way stay there.
    pub fn unsubscribe(&mut self, session: SessionId) {
        self.unknown.remove(&session);
        self.subscribers.retain(|_, sessions| {
            sessions.remove(&session);
            !sessions.is_empty()
        });
    }

    /// The values that are kept for late subscribers, by topic.
    pub fn retained(&self) -> impl Iterator<Item = (&str, &str)> {
        self.retained
            .iter()
            .map(|(topic, value)| (&**topic, &**value))
    }

    /// Counts the changes of [`Topics::retained`].
    pub fn retained_changes(&self) -> u64 {
        self.retained_changes
    }

    fn publish(&mut self, topic: &str, value: Rc<str>, retain: bool) -> Result<(), String> {
        let mut done = Ok(());
        if retain {
            done = self.keep(topic, &value);
        }
        let subscribers = self.subscribers.get(topic).into_iter().flatten();
        let sessions: Vec<SessionId> = subscribers.chain(&self.unknown).copied().collect();
        if sessions.is_empty() {
            return done;
        }
        let message = self.message(topic, value, None);
        for session in sessions {
            done = self.enqueue(session, message.clone()).and(done);
        }
        done
    }

    fn message(&mut self, topic: &str, value: Rc<str>, only: Option<WatchHandle>) -> Message {
        self.last += 1;
        Message {
            number: self.last,
            topic: topic.into(),
            value,
            only,
        }
    }

    /// A message that was on its way when an earlier process ended.
    pub fn restore(&mut self, session: SessionId, message: Message) -> Result<(), String> {
        self.last = self.last.max(message.number);
        self.enqueue(session, message)
    }

    /// Keeps a value for late subscribers; `null` takes it away.
    pub fn keep(&mut self, topic: &str, value: &Rc<str>) -> Result<(), String> {
        if let Some(old) = self.retained.remove(topic) {
            self.retained_bytes -= topic.len() + old.len();
            self.full = false;
            self.retained_changes += 1;
        }
        if &**value == "null" {
            return Ok(());
        }
        let bytes = topic.len() + value.len();
        if self.retained.len() >= RETAINED_MAX || self.retained_bytes + bytes > RETAINED_BYTES_MAX {
            if std::mem::replace(&mut self.full, true) {
                return Ok(());
            }
            return Err(format!(
                "the value of topic {topic:?} is not kept for late subscribers: {} values, {} bytes are, \
                 the most there may be",
                self.retained.len(),
                self.retained_bytes
            ));
        }
        self.retained_bytes += bytes;
        self.retained_changes += 1;
        self.retained.insert(topic.into(), value.clone());
        Ok(())
    }

    fn enqueue(&mut self, session: SessionId, message: Message) -> Result<(), String> {
        let Message { topic, value, .. } = &message;
        let (count, bytes) = self.waiting.entry(session).or_default();
        if *count >= WAITING_MAX || *bytes + value.len() > WAITING_BYTES_MAX {
            if !self.behind.insert(session) {
                return Ok(());
            }
            return Err(format!(
                "messages, to topic {topic:?} first, are dropped for session {session} until it has caught \
                 up: {count} wait for it already"
            ));
        }
        *count += 1;
        *bytes += value.len();
        self.queue.push_back((session, message));
        Ok(())
    }

    /// The oldest message on its way.
    pub fn take(&mut self) -> Option<(SessionId, Message)> {
        let (session, message) = self.queue.pop_front()?;
        if let Some((count, bytes)) = self.waiting.get_mut(&session) {
            *count -= 1;
            *bytes -= message.value.len();
            if *count == 0 {
                self.waiting.remove(&session);
                self.behind.remove(&session);
            }
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(16);
        }
        Some((session, message))
    }

    /// The number of the message that was published last.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The messages on their way that have higher numbers than `number`, oldest first.
    pub fn behind(&self, number: u64) -> impl Iterator<Item = &(SessionId, Message)> {
        let first = self
            .queue
            .partition_point(|(_, message)| message.number <= number);
        self.queue.range(first..)
    }

    /// How many messages are on their way.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The session is gone: nothing is for it any more. What it published stays.
    pub fn forget(&mut self, session: SessionId) {
        self.unsubscribe(session);
        self.behind.remove(&session);
        if self.waiting.remove(&session).is_some() {
            self.queue.retain(|(to, _)| *to != session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(topics: &mut Topics, value: &str, retain: bool) -> Result<(), String> {
        let news = TopicNews::Published {
            topic: "t".into(),
            value: value.into(),
            retain,
        };
        topics.take_news(SessionId(1), news)
    }

    fn subscribe(topics: &mut Topics, session: u64, watch: WatchHandle) {
        let topic = "t".into();
        let news = TopicNews::Subscribed { topic, watch };
        topics.take_news(SessionId(session), news).unwrap();
    }

    fn taken(topics: &mut Topics) -> Vec<(u64, String, Option<WatchHandle>)> {
        std::iter::from_fn(|| topics.take())
            .map(|(session, m)| (session.0, m.value.to_string(), m.only))
            .collect()
    }

    #[test]
    fn messages_go_out_in_order_and_retained_ones_to_new_subscriptions_only() {
        let mut topics = Topics::default();
        subscribe(&mut topics, 2, 1);
        subscribe(&mut topics, 1, 1);
        publish(&mut topics, "1", true).unwrap();
        subscribe(&mut topics, 2, 7);
        publish(&mut topics, "2", false).unwrap();
        let expected = [
            (1, "1".into(), None),
            (2, "1".into(), None),
            (2, "1".into(), Some(7)),
            (1, "2".into(), None),
            (2, "2".into(), None),
        ];
        assert_eq!(taken(&mut topics), expected);
        publish(&mut topics, "null", true).unwrap();
        taken(&mut topics);
        subscribe(&mut topics, 3, 1);
        assert_eq!(topics.waiting(), 0);
        assert_eq!(topics.retained_bytes, 0);
    }

    #[test]
    fn what_waits_and_what_is_kept_is_bounded() {
        let mut topics = Topics::default();
        subscribe(&mut topics, 1, 1);
        for _ in 0..WAITING_MAX {
            publish(&mut topics, "1", false).unwrap();
        }
        assert!(publish(&mut topics, "1", false).is_err());
        assert!(publish(&mut topics, "1", false).is_ok(), "told once");
        assert_eq!(topics.waiting(), WAITING_MAX);
        while topics.take().is_some() {}
        for _ in 0..WAITING_MAX {
            publish(&mut topics, "1", false).unwrap();
        }
        assert!(publish(&mut topics, "1", false).is_err(), "and again");
        topics.forget(SessionId(1));
        assert_eq!(topics.waiting(), 0);
        assert!(topics.subscribers.is_empty() && topics.waiting.is_empty());
        let large = "1".repeat(RETAINED_BYTES_MAX);
        assert!(publish(&mut topics, &large, true).is_err());
        assert!(publish(&mut topics, &large, true).is_ok(), "told once");
        assert!(publish(&mut topics, "1", true).is_ok());
    }
}
