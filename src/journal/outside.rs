//! What a recording holds of the machine: answers of host calls, and what was heard of processes.
//!
//! The types are core's with their texts borrowed from the file.

use std::fmt;
use std::io::Write;

use super::Output;
use super::transcript::one_line;
use crate::core::code::hex;
use crate::core::code::{Decoder, Sink, push_bytes, push_signed};
use crate::core::outside::{HostAnswer, Outgoing, ProcessExit, ProcessNews, Stream};
use crate::core::upload::{Sha256, UploadNews};

/// A [`HostAnswer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawAnswer<'a> {
    Done,
    Nothing,
    Bytes(&'a [u8]),
    Failed { code: i32, text: &'a str },
    Ran { output: &'a [u8], exit: RawExit<'a> },
}

/// A [`ProcessExit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawExit<'a> {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub timeout: bool,
    pub interrupted: bool,
    pub error: Option<&'a str>,
}

/// [`ProcessNews`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawNews<'a> {
    Lines { stream: Stream, text: &'a [u8] },
    Exited(RawExit<'a>),
}

/// [`UploadNews`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawProgress<'a> {
    Ready,
    Finished { sha256: Sha256 },
    Failed(&'a str),
}

impl<'a> From<&'a UploadNews> for RawProgress<'a> {
    fn from(news: &'a UploadNews) -> RawProgress<'a> {
        match news {
            UploadNews::Ready => RawProgress::Ready,
            UploadNews::Finished { sha256 } => RawProgress::Finished { sha256: *sha256 },
            UploadNews::Failed(text) => RawProgress::Failed(text),
        }
    }
}

impl From<RawProgress<'_>> for UploadNews {
    fn from(news: RawProgress<'_>) -> UploadNews {
        match news {
            RawProgress::Ready => UploadNews::Ready,
            RawProgress::Finished { sha256 } => UploadNews::Finished { sha256 },
            RawProgress::Failed(text) => UploadNews::Failed(text.to_owned()),
        }
    }
}

impl<'a> RawProgress<'a> {
    pub(super) fn push(&self, out: &mut impl Sink) {
        match *self {
            RawProgress::Ready => out.put(&[1]),
            RawProgress::Finished { sha256 } => {
                out.put(&[2]);
                out.put(&sha256);
            }
            RawProgress::Failed(text) => {
                out.put(&[3]);
                push_bytes(out, text.as_bytes());
            }
        }
    }

    pub(super) fn read(from: &mut Decoder<'a>) -> Option<RawProgress<'a>> {
        Some(match from.byte()? {
            1 => RawProgress::Ready,
            2 => RawProgress::Finished {
                sha256: from.take(32)?.try_into().ok()?,
            },
            3 => RawProgress::Failed(from.text()?),
            _ => return None,
        })
    }
}

impl<'a> From<&'a ProcessExit> for RawExit<'a> {
    fn from(exit: &'a ProcessExit) -> RawExit<'a> {
        let ProcessExit {
            code,
            signal,
            timeout,
            interrupted,
            error,
        } = exit;
        RawExit {
            code: *code,
            signal: *signal,
            timeout: *timeout,
            interrupted: *interrupted,
            error: error.as_deref(),
        }
    }
}

impl From<RawExit<'_>> for ProcessExit {
    fn from(exit: RawExit<'_>) -> ProcessExit {
        ProcessExit {
            code: exit.code,
            signal: exit.signal,
            timeout: exit.timeout,
            interrupted: exit.interrupted,
            error: exit.error.map(str::to_owned),
        }
    }
}

impl<'a> From<&'a ProcessNews> for RawNews<'a> {
    fn from(news: &'a ProcessNews) -> RawNews<'a> {
        match news {
            ProcessNews::Lines { stream, text } => RawNews::Lines {
                stream: *stream,
                text,
            },
            ProcessNews::Exited(exit) => RawNews::Exited(exit.into()),
        }
    }
}

impl From<RawNews<'_>> for ProcessNews {
    fn from(news: RawNews<'_>) -> ProcessNews {
        match news {
            RawNews::Lines { stream, text } => ProcessNews::Lines {
                stream,
                text: text.to_vec(),
            },
            RawNews::Exited(exit) => ProcessNews::Exited(exit.into()),
        }
    }
}

impl<'a> From<&'a HostAnswer> for RawAnswer<'a> {
    fn from(answer: &'a HostAnswer) -> RawAnswer<'a> {
        match answer {
            HostAnswer::Done => RawAnswer::Done,
            HostAnswer::Nothing => RawAnswer::Nothing,
            HostAnswer::Bytes(bytes) => RawAnswer::Bytes(bytes),
            HostAnswer::Failed { code, text } => RawAnswer::Failed { code: *code, text },
            HostAnswer::Ran { output, exit } => RawAnswer::Ran {
                output,
                exit: exit.into(),
            },
        }
    }
}

impl From<RawAnswer<'_>> for HostAnswer {
    fn from(answer: RawAnswer<'_>) -> HostAnswer {
        match answer {
            RawAnswer::Done => HostAnswer::Done,
            RawAnswer::Nothing => HostAnswer::Nothing,
            RawAnswer::Bytes(bytes) => HostAnswer::Bytes(bytes.to_vec()),
            RawAnswer::Failed { code, text } => HostAnswer::Failed {
                code,
                text: text.to_owned(),
            },
            RawAnswer::Ran { output, exit } => HostAnswer::Ran {
                output: output.to_vec(),
                exit: exit.into(),
            },
        }
    }
}

impl<'a> RawAnswer<'a> {
    pub(super) fn push(&self, out: &mut impl Sink) {
        match *self {
            RawAnswer::Done => out.put(&[1]),
            RawAnswer::Nothing => out.put(&[2]),
            RawAnswer::Bytes(bytes) => {
                out.put(&[3]);
                push_bytes(out, bytes);
            }
            RawAnswer::Failed { code, text } => {
                out.put(&[4]);
                push_signed(out, i64::from(code));
                push_bytes(out, text.as_bytes());
            }
            RawAnswer::Ran { output, exit } => {
                out.put(&[5]);
                push_bytes(out, output);
                exit.push(out);
            }
        }
    }

    pub(super) fn read(from: &mut Decoder<'a>) -> Option<RawAnswer<'a>> {
        Some(match from.byte()? {
            1 => RawAnswer::Done,
            2 => RawAnswer::Nothing,
            3 => RawAnswer::Bytes(from.bytes()?),
            4 => RawAnswer::Failed {
                code: i32::try_from(from.signed()?).ok()?,
                text: from.text()?,
            },
            5 => RawAnswer::Ran {
                output: from.bytes()?,
                exit: RawExit::read(from)?,
            },
            _ => return None,
        })
    }
}

impl<'a> RawExit<'a> {
    fn push(&self, out: &mut impl Sink) {
        let flags = [
            self.code.is_some(),
            self.signal.is_some(),
            self.timeout,
            self.interrupted,
            self.error.is_some(),
        ];
        let bit = |(place, &set): (usize, &bool)| u8::from(set) << place;
        out.put(&[flags.iter().enumerate().map(bit).sum()]);
        for number in [self.code, self.signal].into_iter().flatten() {
            push_signed(out, i64::from(number));
        }
        if let Some(error) = self.error {
            push_bytes(out, error.as_bytes());
        }
    }

    fn read(from: &mut Decoder<'a>) -> Option<RawExit<'a>> {
        let flags = from.byte()?;
        let has = |place: u8| flags & 1 << place != 0;
        let mut number = |has: bool| match has {
            true => i32::try_from(from.signed()?).ok().map(Some),
            false => Some(None),
        };
        let (code, signal) = (number(has(0))?, number(has(1))?);
        Some(RawExit {
            code,
            signal,
            timeout: has(2),
            interrupted: has(3),
            error: match has(4) {
                true => Some(from.text()?),
                false => None,
            },
        })
    }
}

impl<'a> RawNews<'a> {
    pub(super) fn push(&self, out: &mut impl Sink) {
        match *self {
            RawNews::Lines { stream, text } => {
                out.put(match stream {
                    Stream::Out => &[1],
                    Stream::Err => &[2],
                });
                push_bytes(out, text);
            }
            RawNews::Exited(exit) => {
                out.put(&[3]);
                exit.push(out);
            }
        }
    }

    pub(super) fn read(from: &mut Decoder<'a>) -> Option<RawNews<'a>> {
        let stream = match from.byte()? {
            1 => Stream::Out,
            2 => Stream::Err,
            3 => return RawExit::read(from).map(RawNews::Exited),
            _ => return None,
        };
        let text = from.bytes()?;
        Some(RawNews::Lines { stream, text })
    }
}

impl<'a> Output<'a> {
    /// What is recorded of something that went out; an action's line is written into `text`.
    pub fn of_outgoing(outgoing: &'a Outgoing, text: &'a mut Vec<u8>) -> Output<'a> {
        match outgoing {
            Outgoing::Called { call, answer, .. } => Output::HostCalled {
                call,
                answer: answer.into(),
            },
            Outgoing::Process { process, action } => {
                text.clear();
                // Writing into memory cannot fail, and what was written is a text.
                let _ = write!(text, "{action}");
                Output::Process {
                    process: *process,
                    action: std::str::from_utf8(text).unwrap_or_default(),
                }
            }
            Outgoing::Upload { upload, action } => {
                text.clear();
                let _ = write!(text, "{action}");
                Output::Upload {
                    upload: *upload,
                    action: std::str::from_utf8(text).unwrap_or_default(),
                }
            }
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(bytes))
}

impl fmt::Display for RawAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawAnswer::Done => f.write_str("done"),
            RawAnswer::Nothing => f.write_str("nothing"),
            RawAnswer::Bytes(bytes) => write!(f, "{} bytes: {}", bytes.len(), shown(bytes)),
            RawAnswer::Failed { code, text } => write!(f, "error {code}: {}", one_line(text)),
            RawAnswer::Ran { output, exit } => {
                let exit = ProcessExit::from(*exit);
                write!(f, "{exit}, {} bytes: {}", output.len(), shown(output))
            }
        }
    }
}

impl fmt::Display for RawProgress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawProgress::Ready => f.write_str("may begin"),
            RawProgress::Finished { sha256 } => write!(f, "is whole: {}", hex(sha256)),
            RawProgress::Failed(text) => write!(f, "failed: {}", one_line(text)),
        }
    }
}

impl fmt::Display for RawNews<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawNews::Lines { stream, text } => write!(f, "{}: {}", stream.name(), shown(text)),
            RawNews::Exited(exit) => write!(f, "exited: {}", ProcessExit::from(*exit)),
        }
    }
}
