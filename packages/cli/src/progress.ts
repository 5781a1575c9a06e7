// Tells people what goes on: one line per step with its time, a spinner where the output is a terminal.
import { styleText } from "node:util";
import type { Clock } from "@skiff/component-base/clock.ts";
import { createSpinner } from "nanospinner";

/** Without a terminal, as in a log of CI, there is one line for each step and nothing that moves. */
export class Progress {
  private readonly clock: Clock;
  private readonly isTerminal: boolean;
  private readonly startMs: number;
  private readonly running = new Set<string>();
  private spinner: ReturnType<typeof createSpinner> | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
    this.isTerminal = process.stdout.isTTY === true;
    this.startMs = clock.monotonic();
  }

  /** Runs a step; steps may overlap. `work` may return a remark for the line. */
  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    const startMs = this.clock.monotonic();
    this.running.add(title);
    this.spin();
    try {
      const result = await work();
      const remark = typeof result === "string" ? `: ${result}` : "";
      this.finish(title, `${mark("✔", "green", this.isTerminal)} ${title}${remark}`, startMs);
      return result;
    } catch (error) {
      this.finish(title, `${mark("✘", "red", this.isTerminal)} ${title}`, startMs);
      throw error;
    }
  }

  /** Prints above the spinner. */
  line(text: string): void {
    this.stopSpinner();
    process.stdout.write(`${text}\n`);
    this.spin();
  }

  /** Seconds since the first step. */
  elapsedSeconds(): string {
    return seconds(this.clock.monotonic() - this.startMs);
  }

  /** Leaves the terminal as it was. Safe to repeat. */
  end(): void {
    this.running.clear();
    this.stopSpinner();
  }

  private finish(title: string, text: string, startMs: number): void {
    this.running.delete(title);
    this.line(`${text} (${seconds(this.clock.monotonic() - startMs)})`);
  }

  private spin(): void {
    if (!this.isTerminal || this.running.size === 0) return;
    const text = [...this.running].join(" · ");
    if (this.spinner) this.spinner.update({ text });
    else this.spinner = createSpinner(text).start();
  }

  private stopSpinner(): void {
    this.spinner?.clear();
    this.spinner?.reset();
    this.spinner = undefined;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function mark(sign: string, colour: "green" | "red", isTerminal: boolean): string {
  return isTerminal ? styleText(colour, sign) : sign;
}
