import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes } from "../src/index.js";

test("a short text takes a minute", () => {
  assert.equal(minutes("one two three"), 1);
  assert.equal(minutes(""), 1);
});

test("minutes are rounded up", () => {
  assert.equal(minutes("word ".repeat(221)), 2);
});
