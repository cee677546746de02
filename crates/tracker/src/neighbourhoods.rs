//! Who comes from one neighbourhood, an IPv4 /24 or an IPv6 /48: how many are there at a time, and how fast others come.
//!
//! The invariant: neither table holds more than there are connections, or than [`MOST`] networks.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use rendezvous::{Networks, Rate};

/// Most networks of which it is known how fast they come; those beyond share one allowance.
const MOST: usize = 65_536;

/// The neighbourhood of an address, by the first of its addresses: the /24 of IPv4, the /48 of IPv6.
pub(crate) fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (!0 << 80)).into(),
    }
}

/// How many connections come from where.
#[derive(Debug)]
pub(crate) struct Neighbourhoods {
    most: usize,
    loopback_exempt: bool,
    open: Mutex<BTreeMap<IpAddr, usize>>,
}

impl Neighbourhoods {
    pub(crate) fn new(most: usize, loopback_exempt: bool) -> Arc<Self> {
        Arc::new(Self { most, loopback_exempt, open: Mutex::default() })
    }

    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        if address.is_loopback() && self.loopback_exempt {
            return Some(Place(None));
        }
        let prefix = prefix(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(prefix).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), prefix))))
    }
}

/// A connection's place in its neighbourhood.
#[derive(Debug)]
pub(crate) struct Place(Option<(Arc<Neighbourhoods>, IpAddr)>);

impl Place {
    /// Of one that is not counted.
    pub(crate) const NOWHERE: Self = Self(None);
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((neighbourhoods, prefix)) = &self.0 {
            let mut open = neighbourhoods.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = open.get_mut(prefix) {
                *count -= 1;
                if *count == 0 {
                    open.remove(prefix);
                }
            }
        }
    }
}

/// How fast newcomers come from where. Who is thrown out and comes again at once costs an accept and a handshake each time, and no limit on
/// those who are there at a time keeps that in bounds.
#[derive(Debug)]
pub(crate) struct Newcomers {
    rate: Rate,
    loopback_exempt: bool,
    begun: Instant,
    taken: Mutex<Networks>,
}

impl Newcomers {
    pub(crate) fn new(rate: Rate, loopback_exempt: bool) -> Arc<Self> {
        Arc::new(Self { rate, loopback_exempt, begun: Instant::now(), taken: Mutex::default() })
    }

    /// Whether one more may come from there now.
    pub(crate) fn take(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() && self.loopback_exempt {
            return true;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // What time it is is asked under the lock: it must not run backwards.
        taken.take(self.begun.elapsed(), address, self.rate, MOST)
    }
}
