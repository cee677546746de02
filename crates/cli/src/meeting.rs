//! Who meets whom at a tracker, by flags and config file: sites, VPNs, relays, proxies, autonomous systems.

use crate::args::Meeting;
use crate::config::{File, OneOrMany, SiteMode};
use anyhow::{Context, Result};
use ipnet::IpNet;
use std::net::IpAddr;
use tracker::{Asns, Config, Site, Whereabouts};

/// Sets what the flags that were `given`, or else `file`, say.
pub fn set(config: &mut Config, given: &Meeting, file: &File) -> Result<()> {
    let proxies = OneOrMany::under(given.trusted_proxy.clone(), file.trusted_proxy.as_ref());
    let asns =
        given.asn.as_ref().or(file.asn.as_ref()).map(|file| Asns::open(file)).transpose().context("--asn")?;
    config.whereabouts = Whereabouts::behind(networks(&proxies).context("--trusted-proxy")?).with_asns(asns);
    let relays = OneOrMany::under(given.relay.clone(), file.relay.as_ref());
    config.table.relays = networks(&relays).context("--relay")?;
    config.table.vpn = networks(&OneOrMany::under(Vec::new(), file.vpn.as_ref())).context("vpn")?;
    let sites = file.sites.iter().map(|site| {
        Ok(Site {
            name: site.name.clone(),
            networks: networks(&site.networks).with_context(|| format!("site {}", site.name))?,
            mode: match site.mode {
                SiteMode::On => tracker::SiteMode::On,
                SiteMode::Off => tracker::SiteMode::Off,
                SiteMode::LeechOnly => tracker::SiteMode::LeechOnly,
                SiteMode::Wan => tracker::SiteMode::Wan,
            },
        })
    });
    config.table.sites = sites.collect::<Result<_>>()?;
    Ok(())
}

/// Networks, or single addresses.
fn networks(texts: &[String]) -> Result<Vec<IpNet>> {
    let parsed = texts.iter().map(|text| {
        let one = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse());
        one.with_context(|| format!("{text} is neither an address nor a network such as 203.0.113.0/28"))
    });
    parsed.collect()
}
