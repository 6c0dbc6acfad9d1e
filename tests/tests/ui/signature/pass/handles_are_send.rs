use std::time::{Duration, SystemTime};

use resilient::{InvokeError, Message, Outgoing, ResilientFn, Runtime, resilient_fn};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Ping;

#[resilient_fn(type_id = "ui.Send")]
async fn work(number: u32) -> String {
    number.to_string()
}

async fn all<F: ResilientFn>(runtime: Runtime) -> Result<(), InvokeError> {
    let id = String::from("1");
    let _: String = work::invoke(&runtime, "1", 1).await?;
    work::schedule(&runtime, &id, 1).await?;
    work::schedule_at(&runtime, id, 1, SystemTime::now()).await?;
    work::schedule_after(&runtime, resilient::InstanceId::from("1"), 1, Duration::ZERO).await?;
    let _: String = work::invoke_with(&runtime, "1", 1, [Ping.into()]).await?;
    work::schedule_with(&runtime, "1", 1, vec![Outgoing::from(Ping).with_key("1")]).await?;
    work::send(&runtime, "1", Ping).await?;
    work::send(&runtime, "1", Outgoing::from(Ping).with_key("2")).await?;
    work::send_all(&runtime, "1", [Ping.into(), Ping.into()]).await?;
    let _: String = work::completion(&runtime, "1").await?;
    let _: String = work::reinvoke(&runtime, "1").await?;
    let panel = work::control_panel(&runtime, "1").await?;
    let _: &u32 = panel.param();
    let _: F::Output = runtime.completion::<F>("1").await?;
    Ok(())
}

fn is_send<T: Send>(_: T) {}

const _: fn(Runtime) = |runtime| is_send(all::<work>(runtime));
