//! `kymo tiers` and `kymo rollup`: the tiers of a running server.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    cli::{RollupArgs, TiersArgs},
    client::{self, CallError, Envelope},
    progress::Progress,
    table::{Cell, Table},
    verify_command::finish,
};

/// From one look at how far it is to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// What the server answers to both.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tiers {
    tiers: Vec<Tier>,
    jobs: u64,
    failures: u64,
    rows: u64,
    windows_too_late: u64,
    deletion_held_back: bool,
    raw: Option<RawBlocks>,
}

/// Blocks of samples in object storage.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBlocks {
    place: String,
    blocks: u64,
    bytes: u64,
    blocks_local: u64,
    failures: u64,
    deletion_held_back: bool,
}

impl Tiers {
    /// Windows of all tiers that have still to be rolled up, more or less.
    fn windows_left(&self) -> u64 {
        let left = |tier: &Tier| seconds(tier.lag_seconds / tier.resolution_seconds) + tier.windows_due;
        self.tiers.iter().map(left).sum()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tier {
    table: String,
    resolution_seconds: f64,
    place: String,
    policies: Vec<String>,
    is_read: bool,
    from: Option<f64>,
    to: Option<f64>,
    lag_seconds: f64,
    windows_due: u64,
    series: u64,
    rows: u64,
    bytes: u64,
    objects: u64,
}

/// Asks what tiers there are.
pub(crate) fn tiers(args: &TiersArgs) -> ExitCode {
    answer(client::call(&args.server, "status/tiers", Vec::new()), |answer, out| print(answer, out))
}

/// Has them rolled up.
pub(crate) fn roll_up(args: &RollupArgs) -> ExitCode {
    let before: Result<Envelope<Tiers>, _> = client::call(&args.server, "status/tiers", Vec::new());
    let after = before.and_then(|before| Ok((watched_roll_up(args, &before.data)?, before.data)));
    match after {
        Ok((after, before)) => answer(Ok(after), |after, out| {
            let jobs = after.jobs.saturating_sub(before.jobs);
            let rows = after.rows.saturating_sub(before.rows);
            writeln!(out, "{jobs} jobs wrote {rows} rows\n")?;
            print(after, out)
        }),
        Err(error) => answer(Err(error), |_, _| Ok(())),
    }
}

/// Has them rolled up, and shows how far that is.
fn watched_roll_up(args: &RollupArgs, before: &Tiers) -> Result<Envelope<Tiers>, CallError> {
    let call = |path| client::call(&args.server, path, Vec::new());
    let total = before.windows_left();
    let progress = Progress::new(Some(total), "windows", "rows");
    if progress.is_hidden() {
        return call("admin/tiers/rollup");
    }
    std::thread::scope(|scope| {
        let (done, ended) = channel::<()>();
        let asked = scope.spawn(move || {
            let _done = done;
            client::call(&args.server, "admin/tiers/rollup", Vec::new())
        });
        // It ends when the other side is gone.
        while ended.recv_timeout(LOOK_AGAIN) == Err(RecvTimeoutError::Timeout) {
            // What cannot be shown is no failure.
            let seen: Result<Envelope<Tiers>, _> = call("status/tiers");
            if let Ok(now) = seen {
                let done = total.saturating_sub(now.data.windows_left());
                progress.show(done, now.data.rows.saturating_sub(before.rows));
            }
        }
        asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn answer(
    answer: Result<Envelope<Tiers>, CallError>,
    print: impl FnOnce(&Tiers, &mut dyn Write) -> io::Result<()>,
) -> ExitCode {
    match answer {
        Ok(envelope) => finish(ExitCode::SUCCESS, |out| print(&envelope.data, out)),
        Err(error) => {
            // Where this cannot be said, nothing can.
            drop(writeln!(io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print(tiers: &Tiers, mut out: &mut dyn Write) -> io::Result<()> {
    if tiers.tiers.is_empty() {
        writeln!(out, "no tiers: tiers.rollups of the configuration is empty")?;
    } else {
        print_rollups(tiers, &mut out)?;
    }
    if let Some(raw) = &tiers.raw {
        let RawBlocks { place, blocks, bytes, blocks_local, failures, .. } = raw;
        writeln!(
            out,
            "{blocks} raw blocks of {bytes} bytes in {place}, {blocks_local} of them here as well"
        )?;
        if *failures > 0 {
            writeln!(
                out,
                "{failures} attempts to move or remove blocks failed since the start: see the server's log"
            )?;
        }
    }
    let raw_held_back = tiers.raw.as_ref().is_some_and(|raw| raw.deletion_held_back);
    if tiers.deletion_held_back || raw_held_back {
        let what = "retention would delete more than a tenth at once, and waits for tiers.confirm_deletion";
        writeln!(out, "{what}")?;
    }
    Ok(())
}

fn print_rollups(tiers: &Tiers, mut out: impl Write) -> io::Result<()> {
    let columns =
        ["tier", "place", "policies", "from", "to", "lag s", "due", "series", "rows", "bytes", "objects"];
    let mut table = Table::new("tiers", columns);
    for tier in &tiers.tiers {
        table.row([
            tier.table.as_str().into(),
            tier.place.as_str().into(),
            tier.policies.join(",").into(),
            time(tier.from).into(),
            time(tier.to).into(),
            seconds(tier.lag_seconds).into(),
            tier.windows_due.into(),
            known(tier, tier.series),
            known(tier, tier.rows),
            known(tier, tier.bytes),
            known(tier, tier.objects),
        ]);
    }
    table.print(&mut out)?;
    if tiers.windows_too_late > 0 {
        writeln!(out, "{} windows changed after their samples were gone", tiers.windows_too_late)?;
    }
    if tiers.failures > 0 {
        writeln!(out, "{} attempts failed since the start: see the server's log", tiers.failures)?;
    }
    Ok(())
}

/// What is known only once the table has been read: it may be there and out of reach.
fn known(tier: &Tier, number: u64) -> Cell {
    if tier.is_read || tier.to.is_none() { number.into() } else { "?".into() }
}

fn seconds(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is for the eye"
    )]
    let whole = seconds as u64;
    whole
}

/// A time of the table, to the minute.
pub(crate) fn time(seconds: Option<f64>) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is refused then")]
    let at = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds as i64).ok());
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(tiers: &Tiers) -> String {
        let mut out = Vec::new();
        print(tiers, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_tier_is_a_line() {
        let answer = r#"{"tiers":[
            {"table":"rollup_5m","resolutionSeconds":300,"place":"local","policies":["default"],"isRead":true,"from":0,"to":86400,
             "lagSeconds":61.5,"windowsDue":2,"series":3,"rows":864,"bytes":9000,"objects":2},
            {"table":"rollup_1h","resolutionSeconds":3600,"place":"s3://b","policies":["default","x"],"isRead":false,"from":null,"to":82800,
             "lagSeconds":0,"windowsDue":0,"series":0,"rows":0,"bytes":0,"objects":0}],
            "jobs":1,"failures":4,"rows":864,"windowsTooLate":7,"deletionHeldBack":true,
            "raw":{"place":"s3://b","blocks":3,"bytes":700,"blocksLocal":1,"failures":0,"deletionHeldBack":false}}"#;
        let text = printed(&serde_json::from_str(answer).unwrap());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let first = "rollup_5m local default 1970-01-01 00:00 1970-01-02 00:00 61 2 3 864 9000 2";
        assert_eq!(lines[2].join(" "), first);
        assert_eq!(lines[3].join(" "), "rollup_1h s3://b default,x - 1970-01-01 23:00 0 0 ? ? ? ?");
        assert!(
            text.contains("7 windows") && text.contains("4 attempts") && text.contains("confirm_deletion")
        );
        assert!(text.contains("3 raw blocks of 700 bytes in s3://b, 1 of them here as well"), "{text}");
        let tiers: Tiers = serde_json::from_str(answer).unwrap();
        assert_eq!(tiers.windows_left(), 2, "61.5 s are no window");
        assert!(printed(&Tiers::default()).starts_with("no tiers"));
    }
}
