//! The network is what its plan says, as sockets on its hosts see it.
//!
//! What a busy machine can only make slower, later or rarer is asserted from one side; the model itself is held to more, in
//! virtual time, beside its sources.

use libtest_mimic::{Arguments, Trial};
use netlab::{Access, Behaviour, Lab, Plan, Rate, Report};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing comes until nothing will.
const SILENCE: Duration = Duration::from_millis(300);
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
const NAT: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 3);

fn main() -> ExitCode {
    if let Err(error) = netlab::enclose() {
        eprintln!("netlab: {error}");
        return ExitCode::FAILURE;
    }
    let mut arguments = Arguments::from_args();
    // They measure.
    arguments.test_threads = Some(1);
    let trials = vec![
        Trial::test("full_cone", || nat(Behaviour::FullCone, [true, true, true])),
        Trial::test("address_restricted", || nat(Behaviour::AddressRestricted, [true, true, false])),
        Trial::test("port_restricted", || nat(Behaviour::PortRestricted, [true, false, false])),
        Trial::test("symmetric", || nat(Behaviour::Symmetric, [false, false, false])),
        trial("tcp_goes_through_a_nat", tcp_goes_through_a_nat),
        trial("neighbours_meet_on_their_lan_and_at_their_nat", neighbours),
        trial("a_round_trip_takes_the_delay_of_all_lines", delay),
        trial("as_much_is_lost_as_planned", loss),
        trial("no_more_comes_than_the_rate_allows", rate),
        trial("nothing_leaves_the_lab", nothing_leaves),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

/// A lab with two hosts on the open net, and two behind a NAT.
fn home(behaviour: Behaviour) -> Lab {
    let plan = Plan::new()
        .host("server", SERVER, Access::default())
        .host("other", OTHER, Access::default())
        .nat("nat", NAT, behaviour, Access::default())
        .behind("nat", "inside", INSIDE)
        .behind("nat", "neighbour", NEIGHBOUR);
    Lab::start(&plan).expect("a lab")
}

/// A UDP socket on a host.
fn socket(lab: &Lab, host: &str, port: u16) -> UdpSocket {
    let bind = move || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
    lab.host(host).expect("a host").run(bind).expect("a thread").join().expect("no panic").expect("a socket")
}

/// Who the next datagram is from, if one comes.
fn receive(socket: &UdpSocket, within: Duration) -> Option<SocketAddr> {
    socket.set_read_timeout(Some(within)).expect("a timeout");
    match socket.recv_from(&mut [0; 2048]) {
        Ok((_, from)) => Some(from),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

fn send(socket: &UdpSocket, to: impl Into<SocketAddr>) {
    assert_eq!(socket.send_to(b"hello", to.into()).expect("sent"), 5);
}

/// Waits until the lab has counted something.
fn until(lab: &Lab, counted: impl Fn(&Report) -> bool) {
    let begun = Instant::now();
    while !counted(&lab.report()) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", lab.report());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends something through the NAT to a host behind it; whether it is let in.
fn is_let_in(lab: &Lab, from: (&str, &UdpSocket), mapped: SocketAddr, to: (&str, &UdpSocket)) -> bool {
    let count = |report: &Report| (report.traffic(from.0, to.0).packets, report.refused["nat"]);
    let before = count(&lab.report());
    send(from.1, mapped);
    until(lab, |report| count(report) != before);
    let is_in = count(&lab.report()).0 > before.0;
    assert!(!is_in || receive(to.1, PATIENCE).is_some());
    is_in
}

/// RFC 4787: whether the mapping is the same for every destination, whether what comes from another port is let in, and
/// whether what comes from another host is.
fn nat(behaviour: Behaviour, expected: [bool; 3]) -> Result<(), libtest_mimic::Failed> {
    let lab = home(behaviour);
    let (server, other_port) = (socket(&lab, "server", 1000), socket(&lab, "server", 1001));
    let (other_host, inside) = (socket(&lab, "other", 1000), socket(&lab, "inside", 5000));
    send(&inside, SocketAddrV4::new(SERVER, 1000));
    let mapped = receive(&server, PATIENCE).expect("what was sent");
    assert_eq!(mapped.ip(), NAT);
    let to = ("inside", &inside);
    assert!(is_let_in(&lab, ("server", &server), mapped, to));
    let from_port = is_let_in(&lab, ("server", &other_port), mapped, to);
    let from_host = is_let_in(&lab, ("other", &other_host), mapped, to);
    send(&inside, SocketAddrV4::new(OTHER, 1000));
    let is_same = receive(&other_host, PATIENCE) == Some(mapped);
    match [is_same, from_port, from_host] == expected {
        true => Ok(()),
        false => Err(format!("[same, port, host]: {:?}", [is_same, from_port, from_host]).into()),
    }
}

fn tcp_goes_through_a_nat() {
    let lab = home(Behaviour::Symmetric);
    let listen = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).expect("a socket");
    let listener = lab.host("server").expect("a host").run(listen).expect("a thread").join().expect("one");
    let echo = std::thread::spawn(move || {
        let (mut stream, from) = listener.accept().expect("a connection");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("open");
        stream.write_all(&all).expect("open");
        from
    });
    let work = || {
        let mut stream = TcpStream::connect((SERVER, 80)).expect("a connection");
        stream.write_all(&[7; 200_000]).expect("open");
        stream.shutdown(std::net::Shutdown::Write).expect("open");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("open");
        all
    };
    let back = lab.host("inside").expect("a host").run(work).expect("a thread").join().expect("no panic");
    assert!(back == [7; 200_000]);
    assert_eq!(echo.join().expect("no panic").ip(), NAT);
    let traffic = lab.report().traffic("inside", "server");
    assert!(traffic.bytes > 200_000 && traffic.packets > 100, "{traffic:?}");
}

fn neighbours() {
    let lab = home(Behaviour::PortRestricted);
    let (inside, neighbour) = (socket(&lab, "inside", 5000), socket(&lab, "neighbour", 5000));
    send(&inside, SocketAddrV4::new(NEIGHBOUR, 5000));
    assert_eq!(receive(&neighbour, PATIENCE), Some((INSIDE, 5000).into()));
    let server = socket(&lab, "server", 1000);
    for socket in [&inside, &neighbour] {
        send(socket, SocketAddrV4::new(SERVER, 1000));
    }
    let mapped = [receive(&server, PATIENCE), receive(&server, PATIENCE)].map(|from| from.expect("two"));
    assert_ne!(mapped[0], mapped[1]);
    let [of_inside, of_neighbour] = mapped;
    // The first opens the way for the second.
    assert!(!is_let_in(&lab, ("inside", &inside), of_neighbour, ("neighbour", &neighbour)));
    send(&neighbour, of_inside);
    assert_eq!(receive(&inside, PATIENCE), Some(of_neighbour), "it has the address outside");
}

fn delay() {
    let line = |ms| Access { delay: Duration::from_millis(ms), ..Access::default() };
    let plan = Plan::new().host("a", SERVER, line(15)).host("b", OTHER, line(5));
    let lab = Lab::start(&plan).expect("a lab");
    let (a, b) = (socket(&lab, "a", 1000), socket(&lab, "b", 1000));
    let mut fastest = PATIENCE;
    for _ in 0..20 {
        let begun = Instant::now();
        send(&a, SocketAddrV4::new(OTHER, 1000));
        send(&b, receive(&b, PATIENCE).expect("there"));
        receive(&a, PATIENCE).expect("and back");
        fastest = fastest.min(begun.elapsed());
    }
    eprintln!("a round trip of 40 ms took {fastest:?}; latest delivery {:?}", lab.report().latest());
    assert!(fastest >= Duration::from_millis(40), "{fastest:?}");
}

fn loss() {
    const COUNT: u64 = 4000;
    let line = Access { loss: 0.1, ..Access::default() };
    let plan = Plan::new().seed(5).host("a", SERVER, line).host("b", OTHER, Access::default());
    let lab = Lab::start(&plan).expect("a lab");
    let (a, b) = (socket(&lab, "a", 1000), socket(&lab, "b", 1000));
    let mut came = 0;
    for _ in 0..COUNT / 20 {
        // A few at a time, so that no socket's buffer overflows.
        (0..20).for_each(|_| send(&a, SocketAddrV4::new(OTHER, 1000)));
        while receive(&b, Duration::from_millis(5)).is_some() {
            came += 1;
        }
    }
    until(&lab, |report| report.lost + report.traffic("a", "b").packets == COUNT);
    let report = lab.report();
    while came < report.traffic("a", "b").packets {
        receive(&b, PATIENCE).expect("what was delivered");
        came += 1;
    }
    assert!((320..480).contains(&report.lost), "{} of {COUNT}", report.lost);
}

fn rate() {
    let line = Access { up: Some(Rate::mbit(8)), ..Access::default() };
    let plan = Plan::new().host("a", SERVER, line).host("b", OTHER, Access::default());
    let lab = Lab::start(&plan).expect("a lab");
    let (a, b) = (socket(&lab, "a", 1000), socket(&lab, "b", 1000));
    let sender = std::thread::spawn(move || {
        // Twice the rate, for a second.
        for _ in 0..200 {
            for _ in 0..10 {
                a.send_to(&[0; 972], (OTHER, 1000)).expect("sent");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    receive(&b, PATIENCE).expect("the first");
    let begun = Instant::now();
    let (mut came, mut last) = (0_u64, begun);
    while receive(&b, SILENCE).is_some() {
        came += 1;
        last = Instant::now();
    }
    sender.join().expect("no panic");
    let took = last - begun;
    let rate = came as f64 * 8000.0 / took.as_secs_f64();
    eprintln!("8 Mbit/s were {:.2}; {} packets of 2000", rate / 1e6, came + 1);
    // What was held up by a busy machine comes at once.
    let late = lab.report().latest().as_secs_f64() / took.as_secs_f64();
    assert!(rate <= 8.1e6 * (1.0 + late), "{rate} bit/s, {late} of it late");
    assert!(lab.report().queue_full > 0);
}

fn nothing_leaves() {
    let lab = home(Behaviour::FullCone);
    let nowhere: [Ipv4Addr; 3] = [[8, 8, 8, 8], [10, 0, 0, 1], [198, 18, 9, 9]].map(Ipv4Addr::from);
    for address in nowhere {
        for host in ["inside", "server"] {
            send(&socket(&lab, host, 0), SocketAddrV4::new(address, 53));
        }
    }
    // A program, too, sees only its own host.
    let mut ip = Command::new("ip");
    ip.args(["-4", "-brief", "address"]).stdout(Stdio::piped());
    let child = lab.host("inside").expect("a host").spawn(ip).expect("a program");
    let seen = String::from_utf8(child.wait_with_output().expect("its output").stdout).expect("text");
    let devices: Vec<&str> = seen.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(devices, ["lo", "wan0"], "{seen}");
    let sent = |report: &Report, host: &str| -> BTreeSet<Ipv4Addr> {
        report.unroutable.get(host).map_or(BTreeSet::new(), |sent| sent.keys().copied().collect())
    };
    until(&lab, |report| sent(report, "inside").len() + sent(report, "server").len() >= 6);
    let report = lab.report();
    assert_eq!((sent(&report, "inside"), sent(&report, "server")), (nowhere.into(), nowhere.into()));
}
