//! Events and outputs out of bytes; see `encode`.

use super::writer::{OPENED, OPENED_BY, SAVED, SITE_CHANGED};
use super::{Output, RawAnswer, RawEvent, RawNews, RawPiece, RawProgress, decode_edits};
use crate::core::code::Decoder;
use crate::core::download::Demand;
use crate::core::event::Opening;
use crate::core::id::ConnectionId;

/// Reads an event of a kind that stands for itself, as format 3 has it or, if it is `old`, format 2.
pub(super) fn read_event<'a>(kind: u8, old: bool, from: &mut Decoder<'a>) -> Option<RawEvent<'a>> {
    Some(match kind {
        OPENED | OPENED_BY => RawEvent::SessionOpened(Opening {
            seed: from.u64()?,
            url: from.text()?,
            address: from.text()?,
            locale: from.text()?,
            timezone: from.text()?,
            saved: if old { "" } else { from.text()? },
            notice: if old { "" } else { from.text()? },
            user: if kind == OPENED_BY { from.text()? } else { "" },
        }),
        2 => RawEvent::FrontendJoined {
            connection: ConnectionId(from.varint()?),
        },
        3 => RawEvent::FrontendLeft {
            connection: ConnectionId(from.varint()?),
        },
        4 => RawEvent::Frame {
            connection: ConnectionId(from.varint()?),
            text: from.text()?,
        },
        5 => RawEvent::TimersDue,
        8 => RawEvent::MessagePublished {
            topic: from.text()?,
            value: from.text()?,
            only: Some(from.varint()?).filter(|&only| only != 0),
        },
        9 => RawEvent::Download {
            token: from.u128()?,
            demand: match from.flag()? {
                false => Demand::Next,
                true => Demand::Dropped,
            },
        },
        10 => RawEvent::Upload {
            upload: from.varint()?,
            news: RawProgress::read(from)?,
        },
        7 => RawEvent::Process {
            process: from.varint()?,
            news: RawNews::read(from)?,
        },
        SITE_CHANGED => {
            let edits = from.bytes()?;
            decode_edits(edits)?;
            RawEvent::SiteChanged { edits }
        }
        14 => RawEvent::Ended {
            reason: from.text()?,
        },
        _ => return None,
    })
}

/// Reads an output behind its first byte.
pub(super) fn read_output<'a>(kind: u8, from: &mut Decoder<'a>) -> Option<Output<'a>> {
    Some(match kind {
        1 => Output::Frame {
            connection: ConnectionId(from.varint()?),
            text: from.bytes()?,
        },
        2 => Output::Close {
            connection: ConnectionId(from.varint()?),
            code: u16::try_from(from.varint()?).ok()?,
            reason: from.text()?,
        },
        3 => Output::SessionFailed {
            description: from.text()?,
        },
        4 => Output::SessionEnded,
        7 => Output::Published {
            topic: from.text()?,
            value: from.text()?,
            retain: from.flag()?,
        },
        8 => Output::Download {
            token: from.u128()?,
            piece: match from.byte()? {
                0 => RawPiece::Begin {
                    name: from.text()?,
                    mime: from.text()?,
                },
                1 => RawPiece::Data(from.bytes()?),
                2 => RawPiece::End,
                3 => RawPiece::Failed(from.text()?),
                _ => return None,
            },
        },
        5 => Output::HostCalled {
            call: from.text()?,
            answer: RawAnswer::read(from)?,
        },
        9 => Output::Upload {
            upload: from.varint()?,
            action: from.text()?,
        },
        SAVED => Output::Saved { data: from.text()? },
        6 => Output::Process {
            process: from.varint()?,
            action: from.text()?,
        },
        _ => return None,
    })
}
