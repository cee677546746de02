// When a player counts on a quality that a neighbour says it can get for all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./lib/bundle.mjs";

const { Offer } = await load("offer.ts");

test("an offer is taken with enough to play, and then held on to with less", () => {
  const offer = new Offer();
  assert.equal(offer.look(2e6, false, 7, 0), false);
  assert.equal(offer.bps, null);
  assert.equal(offer.look(2e6, false, 8, 1000), true, "that is said once");
  assert.equal(offer.bps, 3e6, "enough for players that want something over");
  assert.equal(offer.look(2e6, false, 6, 2000), false);
  assert.equal(offer.bps, 3e6);
  assert.equal(offer.look(1e6, false, 6, 3000), true, "another one is another");
  assert.equal(offer.look(null, false, 30, 4000), false);
  assert.equal(offer.bps, null);
});

test("an offer that empties the buffer is left alone, each time twice as long, until one has proved good", () => {
  const offer = new Offer();
  const rests = (now) => {
    offer.look(2e6, false, 12, now);
    assert.equal(offer.bps, 3e6);
    offer.look(2e6, false, 2, now);
    assert.equal(offer.bps, null);
    for (let ms = 0; ; ms += 1000) if (offer.look(2e6, false, 12, now + ms)) return ms;
  };
  assert.equal(rests(0), 10_000);
  assert.equal(rests(100_000), 20_000);
  offer.look(2e6, false, 25, 300_000);
  assert.equal(rests(400_000), 10_000);
});

test("what is chosen for all is taken with nothing in hand, and let go only by who had enough", () => {
  const offer = new Offer();
  assert.equal(offer.look(2e6, true, 0, 0), true);
  assert.equal(offer.look(1e6, true, 1, 100), true, "the next may be another");
  assert.equal(offer.look(1e6, true, 9, 2000), false);
  assert.equal(offer.bps, 1.5e6);
  offer.look(1e6, true, 2, 9000);
  assert.equal(offer.bps, null, "the buffer ran low in spite of it");
  offer.look(1e6, true, 12, 18_000);
  assert.equal(offer.bps, null);
  offer.look(1e6, true, 12, 19_000);
  assert.equal(offer.bps, 1.5e6);
});
