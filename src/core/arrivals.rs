//! What reaches a session from outside besides its frontends: published messages, downloads that a
//! browser fetches, files that it uploads, and its processes.

use super::download::{Demand, Download, Piece, Token};
use super::id::VarId;
use super::outside::{ProcessId, ProcessNews};
use super::path::Path;
use super::script::{ErrorCode, Script, ScriptError, ToldOfProcess, WatchedValue};
use super::session::Session;
use super::topic::{Message, TopicNews};
use super::upload::{ADDRESS, Announced, Begun, DONE, UploadAction, UploadId, UploadNews};
use super::variable::Slot;

impl<S: Script> Session<S> {
    /// A message of a topic: tells its subscriptions in the order in which they were made.
    pub(super) fn receive_message(&mut self, message: &Message) {
        let value = WatchedValue::Message {
            topic: &message.topic,
            value: &message.value,
        };
        for watch in self.host.watches.of_topic(&message.topic) {
            if message.only.is_some_and(|only| only != watch) {
                continue;
            }
            let told = self.script.notify(&mut self.host, watch, value);
            if let Err(error) = told
                && let Some(app) = self.host.vars.app()
            {
                self.tell_fault(app, error);
            }
            self.run_work();
            if self.script.is_exhausted() {
                break;
            }
        }
        self.settle();
    }

    /// What a script published, subscribed to and let go of since this was called last.
    pub(super) fn take_topic_news(&mut self) -> Vec<TopicNews> {
        std::mem::take(&mut self.host.topic_news)
    }

    /// A browser takes the next piece of a download, or no longer does.
    pub(super) fn download(&mut self, token: Token, demand: Demand, send: &mut dyn FnMut(Piece)) {
        if demand == Demand::Dropped {
            return self.end_download(token);
        }
        let Some((download, begun)) = self.host.downloads.take(token) else {
            return send(Piece::Failed("there is no such download any more".into()));
        };
        let made = self.next_piece(token, &download);
        let (begin, piece) = match made {
            Ok(Some(data)) => (!begun, Piece::Data(data)),
            Ok(None) => (!begun, Piece::End),
            Err(error) => {
                let piece = Piece::Failed(error.message.clone());
                self.blame(None, format_args!("download {:?}", download.name), error);
                (false, piece)
            }
        };
        if begin {
            let Download { name, mime, .. } = download;
            send(Piece::Begin { name, mime });
        }
        if !matches!(piece, Piece::Data(_)) {
            self.end_download(token);
        }
        send(piece);
        self.settle();
    }

    fn next_piece(
        &mut self,
        token: Token,
        download: &Download,
    ) -> Result<Option<Vec<u8>>, ScriptError> {
        let made = self.script.next_piece(&mut self.host, download.maker)?;
        if let Some(data) = &made
            && !self.host.downloads.note_piece(token, data.len())
        {
            let text = "session:download: next_chunk() returned nothing but empty texts for too long: \
                        return nil at the end";
            return Err(ScriptError::new(ErrorCode::Limit, text));
        }
        Ok(made)
    }

    fn end_download(&mut self, token: Token) {
        if let Some(download) = self.host.downloads.end(token) {
            self.script.forget_watch(&mut self.host, download.maker);
        }
    }

    /// A frontend has made this variable: perhaps to upload a file to its method.
    pub(super) fn begin_upload(&mut self, slot: Slot) {
        let Some(variable) = self.host.vars.get(slot) else {
            return;
        };
        let announced = match Announced::of(&variable.properties) {
            None => return,
            Some(Ok(announced)) => announced,
            Some(Err(text)) => {
                let error = ScriptError::new(ErrorCode::BadMessage, text);
                return self.tell_fault(slot, error);
            }
        };
        let takes_value = |path: &Path| path.is_setter();
        let path = variable.properties.get("path").map(Path::parse);
        if !path.is_some_and(|path| path.as_ref().is_ok_and(takes_value)) {
            let text = "a file goes to a method that takes it, such as receive(_)";
            return self.tell_fault(slot, ScriptError::new(ErrorCode::BadAccess, text));
        }
        let secret = self.host.secret();
        let uploads = &mut self.host.uploads;
        let (begun, out) = uploads.begin(secret.as_ref(), variable.id, announced);
        if let Some(out) = out {
            self.host.tell_upload(out, UploadAction::Drop);
        }
        match begun {
            Some(Begun::New(upload, action)) => self.host.tell_upload(upload, action),
            Some(Begun::Resumed(token)) => self.tell_address(slot, token),
            Some(Begun::Whole(upload)) => self.deliver_file(upload),
            Some(Begun::Done) => self.tell_upload(slot, DONE),
            None => {
                let text = "too many files at once: try again when some of them are through";
                self.tell_fault(slot, ScriptError::new(ErrorCode::Limit, text));
            }
        }
    }

    /// These variables are gone with their frontend, which may come back.
    pub(super) fn leave_uploads(&mut self, gone: &[Slot]) {
        for &slot in gone {
            if let Some(variable) = self.host.vars.get_dead(slot) {
                self.host.uploads.leave(variable.id);
            }
        }
    }

    /// A variable is gone for good: nobody wants what is under way to it.
    pub(super) fn cancel_upload(&mut self, var: Option<VarId>) {
        if let Some(over) = var.and_then(|var| self.host.uploads.cancel(var)) {
            self.host.tell_upload(over, UploadAction::Drop);
        }
    }

    /// The shell says how an upload goes on.
    pub(super) fn hear_of_upload(&mut self, upload: UploadId, news: UploadNews) {
        self.urgent = true;
        match news {
            UploadNews::Ready => {
                if let Some((token, var)) = self.host.uploads.ready(upload)
                    && let Some(slot) = var.and_then(|var| self.host.vars.find(var))
                {
                    self.tell_address(slot, token);
                }
            }
            UploadNews::Finished { sha256 } => {
                self.host.uploads.finished(upload, sha256);
                self.deliver_file(upload);
                self.settle();
            }
            UploadNews::Failed(text) => {
                let var = self.host.uploads.end(upload);
                if let Some(slot) = var.and_then(|var| self.host.vars.find(var)) {
                    self.tell_fault(slot, ScriptError::new(ErrorCode::Limit, text));
                }
            }
        }
    }

    /// Calls the method with a file that is whole, if whoever sent it is there.
    fn deliver_file(&mut self, upload: UploadId) {
        let Some((var, file)) = self.host.uploads.take(upload) else {
            return;
        };
        while let Some(oldest) = self.host.uploads.make_room() {
            self.host.tell_upload(oldest, UploadAction::Drop);
        }
        let Some(slot) = self.host.vars.find(var) else {
            return;
        };
        match self.script.receive_file(&mut self.host, slot, &file) {
            Ok(()) => self.clear_errors(slot),
            Err(error) => self.tell_fault(slot, error),
        }
        self.used = true;
        self.tell_upload(slot, DONE);
    }

    fn tell_address(&mut self, slot: Slot, token: Token) {
        let address = format!("{}/upload/{token:032x}", self.host.opening.address);
        self.tell_upload(slot, &address);
    }

    fn tell_upload(&mut self, slot: Slot, text: &str) {
        if let Err(error) = self.host.set_property(slot, ADDRESS, text) {
            self.tell_fault(slot, error);
        }
    }

    /// A process wrote something or ended.
    pub(super) fn hear_of_process(&mut self, process: ProcessId, news: &ProcessNews) {
        let Some(started_by) = self.host.processes.started_by(process) else {
            return;
        };
        match news {
            ProcessNews::Lines { stream, text } => {
                for line in text.split_inclusive(|&byte| byte == b'\n') {
                    let line = line.strip_suffix(b"\n").unwrap_or(line);
                    let stream = *stream;
                    self.tell_process(process, started_by, ToldOfProcess::Line { stream, line });
                    if self.script.is_exhausted() {
                        let text = "the lines that came with it are dropped";
                        self.host.log(0, format_args!("process {process}: {text}"));
                        break;
                    }
                }
            }
            ProcessNews::Exited(exit) => {
                // Over before its function hears of it: that may start another in its place.
                self.host.processes.end(process);
                self.tell_process(process, started_by, ToldOfProcess::Exit(exit));
            }
        }
        self.settle();
    }

    fn tell_process(
        &mut self,
        process: ProcessId,
        started_by: Option<VarId>,
        told: ToldOfProcess<'_>,
    ) {
        self.host.current = started_by.and_then(|var| self.host.vars.find(var));
        let done = self.script.tell_process(&mut self.host, process, told);
        self.host.current = None;
        if let Err(error) = done {
            self.blame(started_by, format_args!("process {process}"), error);
        }
    }
}
