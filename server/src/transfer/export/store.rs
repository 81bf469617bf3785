//! Another store as a sink, by remote write.

use std::sync::Arc;

use kymo_engine::Labels;
use kymo_formats::codec::ChunkSamples;

use super::{Ending, ExportError, Sink, families::Family};
use crate::{
    cli::{ExportTarget, ServerAddress},
    client::Caller,
    transfer::sender::{OnRefusal, Senders, Sent, Target},
};

/// A store that is being written to.
pub(super) struct Store {
    senders: Senders,
    /// The family that was told last: those of a histogram's metrics are the same.
    told: Option<String>,
}

impl Store {
    pub(super) fn open(to: &ExportTarget) -> Result<Self, ExportError> {
        let url = to.remote_write.clone().unwrap_or_default();
        let address = ServerAddress {
            url: url.clone(),
            user: to.to_user.clone(),
            password_file: to.to_password_file.clone(),
            token_file: to.to_token_file.clone(),
            ca_file: to.to_ca_file.clone(),
        };
        let header = |text: &String| {
            let (name, value) = text.split_once(':').ok_or_else(|| ExportError::Option {
                option: "to-header",
                reason: format!("{text:?} is not of the form NAME: VALUE"),
            })?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        };
        let target = Target {
            url,
            caller: Caller::new(&address)?,
            headers: to.to_header.iter().map(header).collect::<Result<_, ExportError>>()?,
            on_refusal: OnRefusal::Fail,
        };
        let senders = Senders::start(&Arc::new(target), usize::from(to.connections))?;
        Ok(Self { senders, told: None })
    }
}

impl Sink for Store {
    fn family(&mut self, family: &Family) -> Result<(), ExportError> {
        if let Some((name, known)) = &family.described
            && self.told.as_ref() != Some(name)
        {
            self.senders.metadata(name, known)?;
            self.told = Some(name.clone());
        }
        Ok(())
    }

    fn push(&mut self, labels: &Labels, samples: &ChunkSamples) -> Result<(), ExportError> {
        Ok(self.senders.push(labels, samples)?)
    }

    fn finish(self: Box<Self>) -> Result<Ending, ExportError> {
        let Sent { refused, reasons, .. } = self.senders.finish()?;
        let mut warnings = Vec::new();
        if refused > 0 {
            warnings.push(format!("{refused} samples were not stored, by the receiver's count"));
            warnings.extend(reasons);
        }
        Ok(Ending { warnings, refused })
    }
}
