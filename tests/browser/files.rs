//! Files, as a visitor gives them to a page and gets them from one.

use std::fs;
use std::path::Path;
use std::thread::sleep;

use serde_json::{Value, json};

use super::cdp::{POLL_PAUSE, POLLS_MAX, Page, text};

impl Page {
    /// Chooses files in the file input that a JavaScript expression gives.
    pub fn choose_files(&mut self, input: &str, files: &[&Path]) {
        let found = self
            .connection
            .command("Runtime.evaluate", json!({ "expression": input }));
        let object = text(&found["result"]["objectId"]).to_owned();
        assert!(!object.is_empty(), "{input} is no file input");
        self.connection.command(
            "DOM.setFileInputFiles",
            json!({ "objectId": object, "files": paths(files) }),
        );
    }

    /// Drags files from outside over the first element that matches and lets go of them there.
    pub fn drop_files(&mut self, selector: &str, files: &[&Path]) {
        let at = self.eval(&format!(
            "(() => {{ const r = document.querySelector({}).getBoundingClientRect(); \
                return [r.left + r.width / 2, r.top + r.height / 2] }})()",
            json!(selector)
        ));
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.connection.command(
                "Input.dispatchDragEvent",
                json!({ "type": kind, "x": at[0], "y": at[1],
                    "data": { "items": [], "files": paths(files), "dragOperationsMask": 1 } }),
            );
        }
    }

    /// Downloads go to this folder from now on, without a question.
    pub fn download_to(&mut self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder for downloads can be made");
        self.connection.command(
            "Browser.setDownloadBehavior",
            json!({ "behavior": "allow", "downloadPath": folder, "browserContextId": self.context }),
        );
    }

    /// Waits for a file that is complete.
    pub fn wait_for_file(&mut self, path: &Path) -> Vec<u8> {
        for _ in 0..POLLS_MAX {
            self.eval("0"); // the browser works while it is asked
            if let Ok(content) = fs::read(path)
                && !content.is_empty()
            {
                return content;
            }
            sleep(POLL_PAUSE);
        }
        panic!("{} never came", path.display());
    }
}

fn paths(files: &[&Path]) -> Value {
    files.iter().map(|file| json!(file)).collect()
}
