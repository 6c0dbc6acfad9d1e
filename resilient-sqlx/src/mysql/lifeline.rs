//! Signs of life, on a connection of their own.

use async_trait::async_trait;
use resilient::store::Lifeline;
use resilient::{Replica, ReplicaId, StoreError};
use sqlx::mysql::MySqlConnection;
use sqlx::{Executor, MySql};

use super::statements::Statements;
use super::{MySqlStore, SERVER};
use crate::error::Trouble;
use crate::row::types_of;

pub(super) async fn open(store: &MySqlStore) -> Result<Box<dyn Lifeline>, Trouble> {
    let own = Some(store.pool.connect().await?);
    Ok(Box::new(MySqlLifeline { store: store.clone(), own }))
}

#[derive(Debug)]
struct MySqlLifeline {
    store: MySqlStore,
    own: Option<MySqlConnection>,
}

impl MySqlLifeline {
    // A connection that met an error may be in an open transaction and is not used again.
    async fn connection(&mut self) -> Result<MySqlConnection, sqlx::Error> {
        match self.own.take() {
            Some(own) => Ok(own),
            None => self.store.pool.connect().await,
        }
    }

    async fn try_join(&mut self, replica: &Replica) -> Result<(), Trouble> {
        let mut own = self.connection().await?;
        join(&mut own, &self.store.statements, replica).await?;
        self.own = Some(own);
        Ok(())
    }

    async fn try_beat(&mut self, replica: ReplicaId) -> Result<bool, Trouble> {
        let mut own = self.connection().await?;
        let query = self.store.statements.beat.query::<MySql>().bind(replica.to_string());
        let known = query.execute(&mut own).await?.rows_affected() > 0;
        self.own = Some(own);
        Ok(known)
    }

    async fn try_leave(&mut self, replica: ReplicaId) -> Result<(), Trouble> {
        let mut own = self.connection().await?;
        leave(&mut own, &self.store.statements, replica).await?;
        self.own = Some(own);
        Ok(())
    }
}

#[async_trait]
impl Lifeline for MySqlLifeline {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        SERVER.settle("the joining of a replica", self.try_join(replica)).await
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        SERVER.settle("a sign of life", self.try_beat(replica)).await
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        SERVER.settle("the leaving of a replica", self.try_leave(replica)).await
    }
}

async fn join(
    connection: &mut MySqlConnection,
    statements: &Statements,
    replica: &Replica,
) -> Result<(), sqlx::Error> {
    connection.execute("begin").await?;
    leave(connection, statements, replica.id).await?;
    for rows in statements.join.cut([replica]) {
        statements.join.query(&rows).execute(&mut *connection).await?;
    }
    for rows in statements.join_types.cut(&types_of(replica)) {
        statements.join_types.query(&rows).execute(&mut *connection).await?;
    }
    connection.execute("commit").await?;
    Ok(())
}

async fn leave(
    connection: &mut MySqlConnection,
    statements: &Statements,
    replica: ReplicaId,
) -> Result<(), sqlx::Error> {
    statements.leave.query::<MySql>().bind(replica.to_string()).execute(connection).await.map(drop)
}
