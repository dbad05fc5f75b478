//! What a session was seen to do: all that came in, and what the machine answered.

use crate::core::effect::Effect;
use crate::core::event::{Event, Turn};
use crate::core::id::SessionId;
use crate::core::limits::SessionLimits;
use crate::core::outside::{HostAnswer, Outgoing};
use crate::core::site::Site;
use crate::core::upload::UploadId;
use crate::journal::{Output, Reader};
use crate::replay::to_event;

/// One event, and the answers to what the script asked meanwhile.
#[derive(Clone, Debug)]
pub struct Moment {
    pub turn: Turn,
    pub event: Event,
    pub answers: Vec<(String, HostAnswer)>,
    /// The content of a file that has just arrived, if it was kept.
    pub file: Option<(UploadId, Vec<u8>)>,
}

/// A session from its beginning on.
#[derive(Clone, Debug)]
pub struct Take {
    pub session: SessionId,
    pub site: Site,
    pub limits: SessionLimits,
    /// Paths whose values are not for other eyes.
    pub secret: Vec<String>,
    pub moments: Vec<Moment>,
}

impl Take {
    /// A session that is about to begin.
    pub fn new(session: SessionId, site: Site, limits: SessionLimits) -> Take {
        Take {
            session,
            site,
            limits,
            secret: Vec::new(),
            moments: Vec::new(),
        }
    }

    /// An event is about to be handled.
    pub fn event(&mut self, turn: Turn, event: Event) {
        self.moments.push(Moment {
            turn,
            event,
            answers: Vec::new(),
            file: None,
        });
    }

    /// The event tells of a file with this content.
    pub fn file(&mut self, upload: UploadId, content: Vec<u8>) {
        if let Some(moment) = self.moments.last_mut() {
            moment.file = Some((upload, content));
        }
    }

    /// The event made the session do this.
    pub fn effect(&mut self, effect: &Effect) {
        if let Effect::Outside {
            outgoing: Outgoing::Called { call, answer, .. },
            ..
        } = effect
            && let Some(moment) = self.moments.last_mut()
        {
            moment.answers.push((call.clone(), answer.clone()));
        }
    }

    /// The session of a recording or journal.
    pub fn of_journal(reader: &Reader) -> Take {
        let header = reader.header();
        let mut take = Take::new(header.session, header.site.clone(), header.limits.clone());
        take.secret.clone_from(&header.secret);
        let mut site = header.site.clone();
        for record in reader.records() {
            let event = to_event(&record.event, header.session, &site);
            if let Event::SiteChanged { change, .. } = &event {
                site = change.site.clone();
            }
            take.event(record.turn, event);
            let answers = record.outputs.iter().filter_map(|output| match *output {
                Output::HostCalled { call, answer } => Some((call.to_owned(), answer.into())),
                _ => None,
            });
            if let Some(moment) = take.moments.last_mut() {
                moment.answers.extend(answers);
            }
        }
        take
    }
}
