//! ureq in as many threads as there are requests in flight: the rival of the blocking backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use http::{Response, Version, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::{Group, Subject};
use crate::args::Workload;
use crate::failure::Failure;
use crate::measure::{Latencies, Measured, Meter, Tally};
use crate::payload::Payload;
use crate::plan::{Plan, Target};
use crate::tls;
use crate::verify::Head;

pub(super) const SUBJECT: Subject = Subject {
    name: "ureq",
    group: Group::Rival,
    what: "ureq 3.5 in a thread for each request in flight",
    settings: "one agent shared by all threads, as many idle connections as there are threads; \
               TCP_NODELAY; no proxy from the environment; rustls with aws-lc-rs; built without its \
               decompression and cookies; no deadline",
    workloads: Workload::ALL,
    run,
};

fn run(plan: &Plan) -> Result<Measured, Failure> {
    plan.only(Version::HTTP_11)?;
    if plan.workload == Workload::Cold {
        return Ok(cold(plan));
    }
    let agent = agent(plan)?;
    if plan.warm_up > 0 {
        let (tally, _) = work(&agent, plan, plan.warm_up);
        tally.must_be_clean()?;
    }
    let meter = Meter::start();
    let (tally, latencies) = work(&agent, plan, plan.requests);
    Ok(Measured::end(meter, tally, &latencies))
}

fn agent(plan: &Plan) -> Result<Agent, Failure> {
    let mut tls =
        TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(tls::provider()));
    if plan.is_tls() {
        let authorities = tls::authorities(plan)?;
        let roots: Vec<Certificate<'static>> = authorities
            .iter()
            .map(|one| Certificate::from_der(one).to_owned())
            .collect();
        tls = tls.root_certs(RootCerts::new_with_certs(&roots));
    }
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(None)
        .no_delay(true)
        .max_idle_connections(plan.concurrency)
        .max_idle_connections_per_host(plan.concurrency)
        .build();
    Ok(config.new_agent())
}

/// The threads' own start is part of it, as the tasks' is elsewhere.
fn work(agent: &Agent, plan: &Plan, requests: u64) -> (Tally, Latencies) {
    let next = AtomicU64::new(0);
    let latencies = Latencies::new();
    let labour = |index: usize| {
        let mut tally = Tally::default();
        loop {
            let request = next.fetch_add(1, Relaxed);
            if request >= requests {
                return tally;
            }
            let started = Instant::now();
            let result = exchange(agent, plan, plan.targets.of(request));
            if result.is_ok() {
                latencies.record(index, started.elapsed());
            }
            tally.record(result);
        }
    };
    let mut whole = Tally::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.concurrency)
            .map(|index| scope.spawn(move || labour(index)))
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(tally) => whole.add(tally),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    (whole, latencies)
}

fn cold(plan: &Plan) -> Measured {
    let (mut tally, latencies) = (Tally::default(), Latencies::new());
    let meter = Meter::start();
    for request in 0..plan.requests {
        let started = Instant::now();
        let target = plan.targets.of(request);
        tally.record(agent(plan).and_then(|agent| get(&agent, target)));
        latencies.record(0, started.elapsed());
    }
    Measured::end(meter, tally, &latencies)
}

fn exchange(agent: &Agent, plan: &Plan, target: &Target) -> Result<u64, Failure> {
    match plan.workload {
        Workload::Download => download(agent, target),
        Workload::Upload => upload(agent, target, plan.upload_bytes),
        _ => get(agent, target),
    }
}

fn get(agent: &Agent, target: &Target) -> Result<u64, Failure> {
    whole(agent.get(&target.uri).call()?)
}

fn download(agent: &Agent, target: &Target) -> Result<u64, Failure> {
    let (head, mut body) = agent.get(&target.uri).call()?.into_parts();
    let bytes = std::io::copy(&mut body.as_reader(), &mut std::io::sink())?;
    Head::of(&head).verify(Version::HTTP_11, bytes)
}

fn upload(agent: &Agent, target: &Target, bytes: u64) -> Result<u64, Failure> {
    let request = agent
        .post(&target.uri)
        .header(header::CONTENT_LENGTH, bytes);
    whole(request.send(SendBody::from_owned_reader(Payload::new(bytes)))?)?;
    Ok(bytes)
}

fn whole(response: Response<Body>) -> Result<u64, Failure> {
    let (head, mut body) = response.into_parts();
    let bytes = body.read_to_vec()?.len() as u64;
    Head::of(&head).verify(Version::HTTP_11, bytes)
}
