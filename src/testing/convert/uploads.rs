//! The lines of files that users uploaded: each when it was whole.

use super::{Conversion, Upload};
use crate::core::property::Properties;
use crate::core::upload::{Announced, UploadId, UploadNews};
use crate::testing::path::seen;
use crate::testing::script::Step;
use crate::testing::upload::File;

/// To see whether it would be told.
const SOMETHING: &str = "something";

impl Conversion<'_> {
    /// The session takes in a file of so many bytes: the first of those just announced that has as many.
    pub(super) fn announce(&mut self, upload: UploadId, bytes: u64) {
        let pages = &self.pages;
        let mut of_size = self.announced.iter().enumerate().filter_map(|(at, of)| {
            let (connection, id) = *of;
            let store = &pages.get(&connection)?.1;
            let mut properties = Properties::default();
            for (name, value) in &store.vars.get(&id)?.props {
                properties.set(name, value, None);
            }
            let announced = Announced::of(&properties)?.ok()?;
            let path = store.name(id);
            let upload = Upload {
                connection,
                path,
                announced,
            };
            (upload.announced.size == bytes).then_some((at, upload))
        });
        let found = of_size.next();
        drop(of_size);
        if let Some((at, announced)) = found {
            self.announced.remove(at);
            self.uploads.insert(upload, announced);
        }
    }

    /// Something is heard of a file.
    pub(super) fn upload(&mut self, id: UploadId, news: &UploadNews) {
        let upload = match news {
            UploadNews::Ready => return,
            _ => self.uploads.remove(&id),
        };
        let Some(upload) = upload else {
            return;
        };
        match news {
            UploadNews::Finished { sha256 } => {
                let content = self.contents.get(&id).cloned();
                let mut file = File::new(&upload.announced, *sha256, content);
                let path = upload.path;
                // What is said in place of a secret is the file.
                let told = seen(&self.secrets, &path, &SOMETHING.into());
                if let Some(instead) = told.as_str().filter(|told| *told != SOMETHING) {
                    file = file.with(instead.as_bytes());
                    self.contents.insert(id, Vec::new());
                }
                self.act_on(upload.connection);
                self.step(&Step::Upload { path, file });
            }
            UploadNews::Failed(why) => {
                let name = upload.announced.name;
                self.remark(&format!("the upload of {name} failed here: {why}"));
            }
            UploadNews::Ready => {}
        }
    }
}
