//! Signs of life.

use async_trait::async_trait;
use resilient::store::Lifeline;
use resilient::{Replica, ReplicaId, StoreError};
use sqlx::PgConnection;

use super::batch::run;
use super::statements::Statements;
use super::{PostgresStore, SERVER};
use crate::error::Trouble;
use crate::row::types_of;

/// Opens a connection that no pool knows.
pub(super) async fn open(store: &PostgresStore) -> Result<Box<dyn Lifeline>, Trouble> {
    let own = store.pool.connect().await?;
    Ok(Box::new(PostgresLifeline { store: store.clone(), own: Some(own) }))
}

#[derive(Debug)]
struct PostgresLifeline {
    store: PostgresStore,
    own: Option<PgConnection>,
}

#[async_trait]
impl Lifeline for PostgresLifeline {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        SERVER
            .settle("the joining of a replica", async {
                let mut own = self.take().await?;
                join(&mut own, &self.store.statements, replica).await?;
                self.own = Some(own);
                Ok(())
            })
            .await
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        SERVER
            .settle("a sign of life", async {
                let mut own = self.take().await?;
                let known = run(&mut own, &self.store.statements.beat, &[replica]).await?;
                self.own = Some(own);
                Ok(!known.is_empty())
            })
            .await
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        SERVER
            .settle("the leaving of a replica", async {
                let mut own = self.take().await?;
                run(&mut own, &self.store.statements.leave, &[replica]).await?;
                self.own = Some(own);
                Ok(())
            })
            .await
    }
}

impl PostgresLifeline {
    /// The connection, or a new one when the last operation on it did not end well.
    async fn take(&mut self) -> Result<PgConnection, sqlx::Error> {
        match self.own.take() {
            Some(own) => Ok(own),
            None => self.store.pool.connect().await,
        }
    }
}

async fn join(on: &mut PgConnection, all: &Statements, replica: &Replica) -> Result<(), Trouble> {
    sqlx::raw_sql("begin").execute(&mut *on).await?;
    run(on, &all.leave, &[replica.id]).await?;
    run(on, &all.join, &[replica]).await?;
    run(on, &all.join_types, &types_of(replica)).await?;
    sqlx::raw_sql("commit").execute(&mut *on).await?;
    Ok(())
}
