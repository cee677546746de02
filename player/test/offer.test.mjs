// When a player counts on a quality that a neighbour says it can get for all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./lib/bundle.mjs";

const { Offer } = await load("offer.ts");

test("an offer is taken with enough to play, and then held on to with less", () => {
  const offer = new Offer();
  assert.equal(offer.look(2e6, 7, 0), false);
  assert.equal(offer.bps, null);
  assert.equal(offer.look(2e6, 8, 1000), true, "that is said once");
  assert.equal(offer.bps, 3e6, "enough for players that want something over");
  assert.equal(offer.look(2e6, 6, 2000), false);
  assert.equal(offer.bps, 3e6);
  assert.equal(offer.look(1e6, 6, 3000), true, "another one is another");
  assert.equal(offer.look(null, 30, 4000), false);
  assert.equal(offer.bps, null);
});

test("an offer that empties the buffer is left alone, each time twice as long, until one has proved good", () => {
  const offer = new Offer();
  const rests = (now) => {
    offer.look(2e6, 12, now);
    assert.equal(offer.bps, 3e6);
    offer.look(2e6, 2, now);
    assert.equal(offer.bps, null);
    for (let ms = 0; ; ms += 1000) if (offer.look(2e6, 12, now + ms)) return ms;
  };
  assert.equal(rests(0), 10_000);
  assert.equal(rests(100_000), 20_000);
  offer.look(2e6, 25, 300_000);
  assert.equal(rests(400_000), 10_000);
});
