//! Every bound and every number of the core, in one place.

use core::time::Duration;

/// What a peer is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It plays a film, and gives others what it has of it.
    #[default]
    Viewer,
    /// It keeps for others: it plays nothing, fetches once what its neighbours will want, and gives it to them. A film's only: of a
    /// live stream it keeps nothing.
    Keeper,
}

/// How a peer behaves. The defaults are for a browser that watches a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What it is there for.
    pub role: Role,
    /// Connections to have; more strangers are dialled below this.
    pub links_wanted: usize,
    /// Connections at most; beyond it new ones are refused.
    pub links_max: usize,
    /// Of those, kept for peers that were dialled: whoever dials many cannot take every place.
    pub links_kept: usize,
    /// After this time a connection over which nothing of use has come makes room for others.
    pub idle_max: Duration,
    /// Dials begun of late and under way at most.
    pub dials_max: usize,
    /// Strangers remembered at most.
    pub strangers_max: usize,
    /// Between announces while peers are wanted.
    pub announce_every: Duration,

    /// Wanted beyond the position: what is asked of peers.
    pub window: Duration,
    /// How far beyond the window pieces are asked of peers that have upload to spare.
    pub prefetch: Duration,
    /// What is needed later than the window is served while this share of the upload is left over, in thousandths.
    pub spare_permille: u32,
    /// How far beyond its own window a peer fetches from the origin for those ahead of it.
    pub fetch_ahead: Duration,
    /// How long before the last moment for a fetch the backups of the elected peer begin to step in.
    pub step_in: Duration,
    /// Fetches from the origin at the same time.
    pub fetches_max: usize,

    /// Bytes asked of a new neighbour before the first has come.
    pub credit_start: u32,
    /// Bytes asked of a neighbour at most.
    pub credit_max: u32,
    /// Requests from a neighbour that may wait.
    pub serve_queue_max: usize,
    /// Bytes handed to all connections together that they have not yet taken off our hands.
    pub serve_in_flight_max: u32,
    /// Upload in bytes a second until the viewer says otherwise; 0 shares nothing.
    pub upload: u32,
    /// Answers missed in a row before a neighbour is dropped.
    pub strikes_max: u32,
    /// Verified pieces after which a newcomer is relied upon.
    pub trial_pieces: u32,

    /// Neighbours served before the others: three in four by what they gave, one in four in turn.
    pub upload_slots: usize,
    /// Between two distributions of the slots.
    pub slots_every: Duration,
    /// How much of the film a neighbour may take beyond what it gave, before it waits behind the others.
    pub debt_max: Duration,
    /// By how much the requests of those others count as less urgent.
    pub served_later: Duration,
    /// The same for neighbours that share nothing.
    pub served_last: Duration,

    /// How a live stream spreads.
    pub topology: Topology,
    /// Connections to have while watching a live stream.
    pub live_links_wanted: usize,
    /// Of a live stream, what lies this far behind the position is dropped.
    pub live_behind: Duration,

    /// Between two reports of what is held.
    pub have_every: Duration,
    /// Bytes of media held at most.
    pub store_max: u64,
}

/// How the parts of a live stream get from those who fetch them to the rest. Settings of one engine: a film always spreads as
/// in a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// In how many stripes each part is cut, from 1 to [`wire::MAX_STRIPES`]; each goes down a tree of its own.
    pub stripes: u8,
    /// Whether pieces are pushed down the trees. If not, only the trees' tops are of use: they fetch from the origin.
    pub push: bool,
    /// Whether what does not come down the trees is asked for in the mesh.
    pub repair: bool,
}

impl Topology {
    /// Everybody asks neighbours for what they say they hold (Zhang et al. 2005).
    pub const MESH: Self = Self { stripes: 1, push: false, repair: true };
    /// One parent for each viewer, which pushes everything.
    pub const TREE: Self = Self { stripes: 1, push: true, repair: false };
    /// Stripes pushed down interior-disjoint trees (Castro et al. 2003), repaired in the mesh (Wang, Xiong and Liu 2007).
    pub const HYBRID: Self = Self { stripes: 4, push: true, repair: true };
}

impl Default for Topology {
    fn default() -> Self {
        Self::HYBRID
    }
}

impl Config {
    /// For one that keeps for others: on a wire of a gigabit, dialled by everybody, its store bounded by its driver.
    pub fn keeper() -> Self {
        Self {
            role: Role::Keeper,
            links_wanted: 24,
            links_max: 600,
            links_kept: 8,
            fetches_max: 6,
            serve_in_flight_max: 4 << 20,
            upload: 125_000_000,
            upload_slots: 64,
            // Who cannot give it anything is served all the same: what is needed sooner goes first.
            served_later: Duration::ZERO,
            served_last: Duration::ZERO,
            store_max: u64::MAX,
            ..Self::default()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            role: Role::Viewer,
            links_wanted: 12,
            links_max: 24,
            links_kept: 3,
            idle_max: Duration::from_secs(30),
            dials_max: 6,
            strangers_max: 200,
            announce_every: Duration::from_secs(15),
            window: Duration::from_secs(40),
            prefetch: Duration::from_secs(40),
            spare_permille: 250,
            fetch_ahead: Duration::from_secs(16),
            step_in: Duration::from_secs(2),
            fetches_max: 2,
            credit_start: 64 * 1024,
            credit_max: 1024 * 1024,
            serve_queue_max: 64,
            serve_in_flight_max: 256 * 1024,
            upload: 2_500_000,
            strikes_max: 3,
            trial_pieces: 3,
            upload_slots: 8,
            slots_every: Duration::from_secs(10),
            debt_max: Duration::from_secs(4),
            served_later: Duration::from_secs(8),
            served_last: Duration::from_secs(40),
            topology: Topology::default(),
            live_links_wanted: 18,
            live_behind: Duration::from_secs(10),
            have_every: Duration::from_millis(250),
            store_max: 256 << 20,
        }
    }
}
