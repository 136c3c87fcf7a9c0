#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { minutes } from "./index.js";

const text = readFileSync(process.argv[2] ?? 0, "utf8");
console.log(`${minutes(text)} min`);
