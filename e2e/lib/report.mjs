// Figures beside their bounds, as a table for people and as JSON for machines.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cache } from "./paths.mjs";

export class Report {
    /** @param {string} name of the scenario */
    constructor(name) {
        this.name = name;
        this.figures = [];
        this.tables = {};
        this.startedAt = new Date().toISOString();
    }

    /** A figure. `max` or `min` is its bound; without either it is only told. */
    figure(what, value, { max = null, min = null, unit = "", digits = 2 } = {}) {
        const known = value !== null && value !== undefined && !Number.isNaN(value);
        const bound = max !== null || min !== null;
        const ok = !bound || (known && (max === null || value <= max) && (min === null || value >= min));
        this.figures.push({ what, value: known ? value : null, unit, max, min, ok, digits });
        return ok;
    }

    /** Something that must hold. */
    holds(what, truth, detail = "") {
        this.figures.push({ what, value: detail || (truth ? "yes" : "no"), unit: "", max: null, min: null, ok: Boolean(truth), must: true });
        return Boolean(truth);
    }

    /** Rows of a table that is shown under the figures. */
    rows(title, rows) {
        this.tables[title] = rows;
    }

    /** What broke its bound, as sentences. */
    broken() {
        return this.figures.filter((figure) => !figure.ok).map((figure) => `${figure.what}: ${shown(figure)} (${bounds(figure)})`);
    }

    text() {
        const figures = this.figures.map((figure) => ({
            figure: figure.what,
            value: shown(figure),
            bound: bounds(figure),
            "": figure.ok ? (bounds(figure) ? "ok" : "") : "BROKEN",
        }));
        const parts = [`${this.name}`, table(figures)];
        for (const [title, rows] of Object.entries(this.tables)) parts.push(title, table(rows));
        return parts.join("\n\n");
    }

    /** Prints everything, keeps the JSON in `.cache/bench`, and says whether every bound held. */
    close() {
        console.log(`\n${this.text()}\n`);
        const path = join(cache("bench"), `${this.name.replaceAll(/[^\w-]+/g, "-")}.json`);
        const broken = this.broken();
        writeFileSync(path, `${JSON.stringify({ ...this, finishedAt: new Date().toISOString(), broken }, null, 2)}\n`);
        console.log(`JSON: ${path}`);
        for (const sentence of broken) console.log(`BROKEN: ${sentence}`);
        if (broken.length) process.exitCode = 1;
        return broken.length === 0;
    }
}

function shown({ value, unit, digits }) {
    if (value === null) return "unknown";
    const text = typeof value === "number" ? (Number.isInteger(value) ? String(value) : value.toFixed(digits)) : String(value);
    return unit ? `${text} ${unit}` : text;
}

function bounds({ max, min, must, unit }) {
    if (must) return "must hold";
    const all = [];
    if (min !== null) all.push(`>= ${min}`);
    if (max !== null) all.push(`<= ${max}`);
    return all.length ? `${all.join(", ")}${unit ? ` ${unit}` : ""}` : "";
}

/** Rows of equal keys as aligned text. */
export function table(rows) {
    if (rows.length === 0) return "  (none)";
    const heads = Object.keys(rows[0]);
    const cell = (value) => (typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : String(value ?? "-"));
    const widths = heads.map((head) => Math.max(head.length, ...rows.map((row) => cell(row[head]).length)));
    const left = heads.map((head) => rows.some((row) => typeof row[head] === "string"));
    const line = (values) =>
        `  ${values.map((value, at) => (left[at] ? value.padEnd(widths[at]) : value.padStart(widths[at]))).join("  ")}`.trimEnd();
    return [line(heads), ...rows.map((row) => line(heads.map((head) => cell(row[head]))))].join("\n");
}

export function median(values) {
    const sorted = values.filter((value) => value !== null && !Number.isNaN(value)).sort((a, b) => a - b);
    if (sorted.length === 0) return null;
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function sum(values) {
    return values.reduce((total, value) => total + value, 0);
}

export function mean(values) {
    return values.length ? sum(values) / values.length : null;
}
