//! Plans as files: TOML, described in `docs/guides/netlab.md`. Invariant: a word that means nothing is refused, not passed
//! over.

use crate::plan::{Access, Behaviour, Plan, PlanError, Rate};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    nat: BTreeMap<String, Nat>,
    #[serde(default)]
    host: BTreeMap<String, Host>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nat {
    address: Ipv4Addr,
    behaviour: Behaviour,
    hairpin: Option<bool>,
    timeout_s: Option<u64>,
    access: Option<AccessTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    address: Ipv4Addr,
    nat: Option<String>,
    access: Option<AccessTable>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessTable {
    up_kbps: Option<u64>,
    down_kbps: Option<u64>,
    delay_ms: Option<u64>,
    loss: Option<f64>,
    queue_ms: Option<u64>,
}

impl From<AccessTable> for Access {
    fn from(table: AccessTable) -> Self {
        let default = Self::default();
        Self {
            up: table.up_kbps.map(Rate::kbit),
            down: table.down_kbps.map(Rate::kbit),
            delay: table.delay_ms.map_or(default.delay, Duration::from_millis),
            loss: table.loss.unwrap_or(default.loss),
            queue: table.queue_ms.map_or(default.queue, Duration::from_millis),
        }
    }
}

pub(crate) fn parse(text: &str) -> Result<Plan, PlanError> {
    let file: File = toml::from_str(text).map_err(|error| PlanError::File(error.to_string()))?;
    let mut plan = Plan::new().seed(file.seed);
    for (name, nat) in file.nat {
        plan = plan.nat(&name, nat.address, nat.behaviour, nat.access.unwrap_or_default().into());
        if nat.hairpin == Some(false) {
            plan = plan.without_hairpin();
        }
        if let Some(seconds) = nat.timeout_s {
            plan = plan.forgets_after(Duration::from_secs(seconds));
        }
    }
    for (name, host) in file.host {
        plan = match (host.nat, host.access) {
            (None, access) => plan.host(&name, host.address, access.unwrap_or_default().into()),
            (Some(nat), None) => plan.behind(&nat, &name, host.address),
            (Some(nat), Some(_)) => {
                return Err(PlanError::File(format!("{name} is behind {nat}: its access is that of {nat}")));
            }
        };
    }
    plan.check()?;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_a_plan() {
        let plan = parse(
            r#"
            seed = 7
            [nat.home]
            address = "198.18.0.2"
            behaviour = "port-restricted"
            hairpin = false
            timeout_s = 30
            access = { up_kbps = 5000, delay_ms = 15, loss = 0.01 }
            [host.laptop]
            address = "192.168.1.2"
            nat = "home"
            [host.server]
            address = "198.18.0.1"
            "#,
        )
        .expect("a plan");
        assert_eq!((plan.seed, plan.hosts.len(), plan.sites.len()), (7, 2, 2));
        let site = &plan.sites[plan.hosts[0].site];
        assert_eq!((site.access.up, site.access.loss), (Some(Rate::mbit(5)), 0.01));
        let nat = site.nat.as_ref().expect("a NAT");
        assert_eq!((nat.hairpin, nat.timeout), (false, Duration::from_secs(30)));
    }

    #[test]
    fn a_word_that_means_nothing_is_refused() {
        for text in [
            "[host.a]\naddress = '198.18.0.1'\nloss = 1",
            "[host.a]\naddress = '198.18.0.1'\naccess = { rate = 1 }",
            "[host.a]\naddress = '10.0.0.1'\nnat = 'n'\naccess = {}",
            "[nat.n]\naddress = '198.18.0.1'\nbehaviour = 'open'",
        ] {
            assert!(matches!(parse(text), Err(PlanError::File(_))), "{text}");
        }
    }
}
