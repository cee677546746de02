//! Who is let into a swarm, and put out of it.

use access::{
    Grant, Policy, Timestamp,
    revocations::{ListError, Reason, Taken},
};
use rendezvous::{
    Denial, InfoHash, Lease, Question, TokenId,
    cluster::{News, NodeId},
};

use super::{Hub, Membership, Speaker, State};
use crate::{
    admission::{self, NoName},
    hook::Asked,
};

impl Hub {
    pub(crate) fn set_policy(&self, policy: Policy) {
        if let Some(door) = &self.door {
            door.lock().set_policy(policy);
        }
    }

    pub(crate) fn set_name(&self, info_hash: InfoHash, name: Option<&str>) -> Result<(), NoName> {
        let Some(door) = &self.door else { return Ok(()) };
        let mut gate = door.lock();
        gate.set_name(info_hash, name)?;
        // It may have been taken down by this name.
        if let Some(reason) = gate.revoked(info_hash) {
            self.empty(info_hash, reason);
        }
        Ok(())
    }

    pub(crate) fn revoke(&self, list: &[u8]) -> Result<Taken, ListError> {
        let Some(door) = &self.door else { return Err(ListError::OtherKey) };
        let mut gate = door.lock();
        let taken = gate.take_revocations(list)?;
        if let (Some(node), Some(notice)) = (self.lock().keeper.node(), admission::notice(list)) {
            node.publish(notice);
        }
        let swarms: Vec<InfoHash> = self.lock().keeper.swarms();
        for info_hash in swarms {
            if let Some(reason) = gate.revoked(info_hash) {
                self.empty(info_hash, reason);
            }
        }
        Ok(taken)
    }

    pub(crate) fn revoked(&self, info_hash: InfoHash) -> Option<Reason> {
        self.door.as_ref().filter(|door| !door.authorities.is_empty())?.lock().revoked(info_hash)
    }

    /// Goes by what other trackers say of who may join.
    pub(super) fn learn(&self, news: News) {
        match news {
            News::Used { token, until_unix_secs, by } => self.note_use(token, Timestamp(until_unix_secs), by),
            News::Notice(list) => match self.revoke(&list.bytes) {
                Ok(_) => tracing::info!(event = "revocations", number = list.number, "from another tracker"),
                Err(why) => tracing::warn!(%why, number = list.number, "revocations from another tracker"),
            },
        }
    }

    fn note_use(&self, token: TokenId, until: Timestamp, by: NodeId) {
        let Some(door) = &self.door else { return };
        let mut gate = door.lock();
        if gate.note_use(token, until) {
            let ended = self.with_node(|node, now, out| node.end_twice_used(now, token, by, out));
            if ended == Some(true) {
                tracing::info!(event = "token_used_twice", "at another tracker: the membership was ended");
            }
        }
    }

    /// Takes down one swarm; the gate refuses newcomers.
    fn empty(&self, info_hash: InfoHash, reason: Reason) {
        let mut state = self.lock();
        let now = state.now();
        let State { keeper, outboxes, out, .. } = &mut *state;
        let members = keeper.empty(now, info_hash, &admission::taken_down(reason), out);
        self.carry_out(outboxes, None, out);
        if members > 0 {
            tracing::info!(event = "taken_down", members, %reason, "a swarm was taken down");
        }
    }

    /// Lets the table do what the answer makes possible. `unix_now` is the time by which `until` counts.
    fn answer(
        &self,
        question: Question,
        answer: Result<Grant, Denial>,
        unix_now: Timestamp,
        is_at_work: bool,
    ) {
        let mut state = self.lock();
        let (now, conn) = (state.now(), question.conn);
        let lease = |grant: Grant| {
            let (until, token) = (grant.until?, grant.used?);
            let end = now + until.since(unix_now);
            Some(Lease { end, until_unix_secs: until.0, token: TokenId(token.0) })
        };
        let State { keeper, outboxes, out, .. } = &mut *state;
        keeper.answer(now, question, answer.map(lease), out);
        self.carry_out(outboxes, Some(Speaker { conn, is_at_work }), out);
    }
}

impl Membership {
    /// Finds out whether somebody may join: at once, unless another server is asked.
    pub(super) fn ask(&self, question: Question) {
        let (Some(door), Some(visitor)) = (&self.hub.door, &self.visitor) else { return };
        let mut gate = door.lock();
        let (answer, now) = (gate.admit(&question, visitor), gate.now());
        if door.hook.is_none() || answer.is_err() {
            return self.hub.answer(question, answer, now, true);
        }
        let asked = Asked {
            info_hash: question.info_hash,
            name: gate.name(question.info_hash).map(str::to_owned),
            peer_id: question.peer_id,
            origin: visitor.origin.clone(),
            address: visitor.address,
            token: question.token.clone(),
        };
        drop(gate);
        let hub = self.hub.clone();
        tokio::spawn(async move {
            let Some(door) = &hub.door else { return };
            let Some(hook) = &door.hook else { return };
            let said = hook.ask(asked).await;
            let mut gate = door.lock();
            let now = gate.now();
            let revoked = gate.revoked(question.info_hash).map(admission::taken_down);
            hub.answer(question, said.and_then(|()| revoked.map_or(answer, Err)), now, false);
        });
    }
}
