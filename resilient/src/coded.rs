//! What a codec makes of data is between the runtime and its store: above it everything is JSON text.
//!
//! What cannot be decoded goes up as it is stored, and down again unchanged: whoever reads it gets an error that names
//! its codec.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use crate::codec::{Codecs, Field, Place, Refused};
use crate::id::{FunctionId, ReplicaId};
use crate::payload::Payload;
use crate::record::{LiveReplica, NewMessage, StoredFunction, StoredMessage};
use crate::store::{
    After, Claimable, Ending, Expiry, Filter, Lifeline, Store, StoreError, Transition, Write, Written,
};

/// A store that keeps data as its codec makes it.
#[derive(Debug)]
pub(crate) struct Coded {
    inner: Arc<dyn Store>,
    codecs: Arc<Codecs>,
}

impl Coded {
    pub(crate) fn new(inner: Arc<dyn Store>, codecs: Arc<Codecs>) -> Self {
        Self { inner, codecs }
    }

    fn encoded(&self, batch: &[Write]) -> Result<Vec<Write>, StoreError> {
        batch
            .iter()
            .map(|write| Encoder { codecs: &self.codecs, id: write.id() }.write(write.clone()))
            .collect()
    }

    fn written(&self, answers: &mut [Written]) {
        for answer in answers {
            if let Written::Exists(row) = answer {
                self.decode(row);
            }
        }
    }

    fn rows(&self, mut rows: Vec<StoredFunction>) -> Vec<StoredFunction> {
        for row in &mut rows {
            self.decode(row);
        }
        rows
    }

    fn decode(&self, row: &mut StoredFunction) {
        let StoredFunction { id, param, scrapbook, result, journal, .. } = row;
        let values = [
            (Field::Param, Some(param)),
            (Field::Scrapbook, scrapbook.as_mut()),
            (Field::Result, result.as_mut()),
        ];
        for (field, payload) in values {
            if let Some(Payload { version, body }) = payload {
                self.decode_text(&Place::new(id, field, *version), body);
            }
        }
        if let Some(journal) = journal {
            self.decode_text(&Place::new(id, Field::Journal, 0), journal);
        }
    }

    fn decode_message(&self, id: &FunctionId, message: &mut StoredMessage) {
        let StoredMessage { name, key, payload: Payload { version, body }, .. } = message;
        self.decode_text(&Place::new(id, Field::Message { name, key }, *version), body);
    }

    fn decode_text(&self, place: &Place<'_>, text: &mut String) {
        if let Ok(Some(json)) = self.codecs.decode(place, text) {
            *text = json;
        }
    }
}

/// Encodes what is written of one instance.
struct Encoder<'a> {
    codecs: &'a Codecs,
    id: &'a FunctionId,
}

impl Encoder<'_> {
    fn write(&self, mut write: Write) -> Result<Write, StoreError> {
        match &mut write {
            Write::Create(create) => {
                self.payload(Field::Param, Some(&mut create.param))?;
                self.progress(&mut create.scrapbook, &mut create.journal)?;
                self.messages(&mut create.messages)?;
            }
            Write::Save(save) => self.progress(&mut save.scrapbook, &mut save.journal)?,
            Write::Finish(finish) => {
                self.progress(&mut finish.scrapbook, &mut finish.journal)?;
                if let Ending::Succeeded(result) = &mut finish.ending {
                    self.payload(Field::Result, Some(result))?;
                }
            }
            Write::Append(append) => self.messages(&mut append.messages)?,
            Write::Edit(edit) => {
                self.payload(Field::Param, edit.param.as_mut())?;
                self.progress(&mut edit.scrapbook, &mut edit.journal)?;
                if let Some(replace) = &mut edit.messages {
                    self.messages(&mut replace.messages)?;
                }
                if let Transition::Succeed(result) = &mut edit.transition {
                    self.payload(Field::Result, Some(result))?;
                }
            }
            Write::Cancel(_) | Write::Delete(_) => {}
        }
        Ok(write)
    }

    fn progress(
        &self,
        scrapbook: &mut Option<Payload>,
        journal: &mut Option<String>,
    ) -> Result<(), StoreError> {
        self.payload(Field::Scrapbook, scrapbook.as_mut())?;
        journal.as_mut().map_or(Ok(()), |journal| self.text(Field::Journal, 0, journal))
    }

    fn messages(&self, messages: &mut [NewMessage]) -> Result<(), StoreError> {
        messages.iter_mut().try_for_each(|NewMessage { name, key, payload }| {
            self.payload(Field::Message { name, key }, Some(payload))
        })
    }

    fn payload(&self, field: Field<'_>, payload: Option<&mut Payload>) -> Result<(), StoreError> {
        payload.map_or(Ok(()), |Payload { version, body }| self.text(field, *version, body))
    }

    fn text(&self, field: Field<'_>, version: u32, text: &mut String) -> Result<(), StoreError> {
        let encoded = self.codecs.encode(&Place::new(self.id, field, version), text);
        // Whoever gave the value has asked the codec before, so this is not to be expected.
        *text = encoded.map_err(|refused| refusal(self.id, field, &refused))?.into_owned();
        Ok(())
    }
}

fn refusal(id: &FunctionId, field: Field<'_>, Refused { codec, problem }: &Refused) -> StoreError {
    StoreError::permanent(format!("codec `{codec}` refuses the {} of `{id}`: {problem}", field.name()))
}

#[async_trait]
impl Store for Coded {
    async fn initialize(&self) -> Result<(), StoreError> {
        self.inner.initialize().await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        let mut answers = self.inner.write(&self.encoded(batch)?).await?;
        self.written(&mut answers);
        Ok(answers)
    }

    async fn write_in(
        &self,
        transaction: &mut (dyn Any + Send),
        batch: &[Write],
    ) -> Result<Vec<Written>, StoreError> {
        let mut answers = self.inner.write_in(transaction, &self.encoded(batch)?).await?;
        self.written(&mut answers);
        Ok(answers)
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        let mut rows = self.inner.get(ids).await?;
        rows.iter_mut().flatten().for_each(|row| self.decode(row));
        Ok(rows)
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        Ok(self.rows(self.inner.list(filter).await?))
    }

    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        let mut found = self.inner.messages(wanted, limit).await?;
        for (After { id, .. }, messages) in wanted.iter().zip(&mut found) {
            for message in messages {
                self.decode_message(id, message);
            }
        }
        Ok(found)
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        Ok(self.rows(self.inner.claim(replica, kinds, limit).await?))
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        self.inner.release_dead().await
    }

    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        self.inner.expire(expiries, limit).await
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        self.inner.replicas().await
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        self.inner.lifeline().await
    }

    fn virtual_time(&self) -> bool {
        self.inner.virtual_time()
    }
}
