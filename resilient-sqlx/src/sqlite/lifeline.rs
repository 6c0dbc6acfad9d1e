//! Signs of life.

use async_trait::async_trait;
use resilient::store::Lifeline;
use resilient::{Replica, ReplicaId, StoreError};
use sqlx::sqlite::SqliteConnection;

use super::batch::{begin, commit, run};
use super::{SqliteStore, during};
use crate::error::Trouble;
use crate::row::types_of;

/// A file has a connection of its own for signs of life; a database in memory has only one connection.
pub(super) async fn open(store: &SqliteStore) -> Result<Box<dyn Lifeline>, Trouble> {
    let own = if store.connections.is_file() { Some(store.connections.separate().await?) } else { None };
    Ok(Box::new(SqliteLifeline { store: store.clone(), own }))
}

#[derive(Debug)]
struct SqliteLifeline {
    store: SqliteStore,
    own: Option<SqliteConnection>,
}

/// What a replica has to say.
enum Sign<'a> {
    Join(&'a Replica),
    Beat(ReplicaId),
    Leave(ReplicaId),
}

#[async_trait]
impl Lifeline for SqliteLifeline {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        self.give(Sign::Join(replica)).await.map(drop).map_err(during("the joining of a replica"))
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        self.give(Sign::Beat(replica)).await.map_err(during("a sign of life"))
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        self.give(Sign::Leave(replica)).await.map(drop).map_err(during("the leaving of a replica"))
    }
}

impl SqliteLifeline {
    /// Answers whether the replica was known.
    async fn give(&mut self, sign: Sign<'_>) -> Result<bool, Trouble> {
        if !self.store.connections.is_file() {
            let mut writer = self.store.connections.writer().await?;
            let known = write(&self.store, &mut writer, &sign).await?;
            writer.give_back();
            return Ok(known);
        }
        let _still = self.store.connections.stand_still();
        // A connection that met an error may be in an open transaction and is not used again.
        let mut own = match self.own.take() {
            Some(own) => own,
            None => self.store.connections.separate().await?,
        };
        let known = write(&self.store, &mut own, &sign).await?;
        self.own = Some(own);
        Ok(known)
    }
}

async fn write(store: &SqliteStore, on: &mut SqliteConnection, sign: &Sign<'_>) -> Result<bool, Trouble> {
    let all = &*store.statements;
    let now = store.connections.now();
    let known = match sign {
        Sign::Beat(replica) => run(on, &all.beat, now, &[*replica]).await?,
        Sign::Leave(replica) => run(on, &all.leave, now, &[*replica]).await?,
        Sign::Join(replica) => {
            begin(on).await?;
            run(on, &all.leave, now, &[replica.id]).await?;
            let joined = run(on, &all.join, now, &[replica]).await?;
            run(on, &all.join_types, now, &types_of(replica)).await?;
            commit(on).await?;
            joined
        }
    };
    Ok(!known.is_empty())
}
