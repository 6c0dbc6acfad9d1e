use resilient::{Tick, resilient_fn};

#[resilient_fn(type_id = "ui.Every", every = "90s", missed = "once")]
async fn every((): ()) {}

#[resilient_fn(every = "7d", type_id = "ui.EveryWeek", missed = "every",)]
async fn every_week(tick: Tick) -> Tick {
    tick
}

#[resilient_fn(type_id = "ui.Cron", cron = "*/5 0-6,22 1,L JAN-JUN +MON#1")]
async fn cron(_: Tick) {}

#[resilient_fn(type_id = "ui.Nickname", cron = "@weekly", timezone = "America/Argentina/Buenos_Aires", version = 2)]
async fn nickname((): (), _context: &resilient::Context) {}

type Moment = Tick;

#[resilient_fn(type_id = "ui.Alias", cron = "0 0 1 1 ?", timezone = "Etc/GMT+1", missed = "every")]
async fn alias(moment: Moment) -> resilient::Result<Moment> {
    Ok(moment)
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Report {
    until: Tick,
}

impl From<Tick> for Report {
    fn from(until: Tick) -> Self {
        Self { until }
    }
}

#[resilient_fn(type_id = "ui.Report", every = "1h", retry(first = "1m"))]
async fn report(report: Report) -> Report {
    report
}
