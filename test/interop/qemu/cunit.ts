// Knows the report of a program built with CUnit, as iscsi-test-cu prints it with `--verbose`: suites, tests, and why one failed or
// judged nothing.

/** `incomplete`: the report ends within it. */
export type Verdict = "passed" | "skipped" | "failed" | "incomplete";

export interface TestResult {
  /** `Suite.Test`. */
  readonly name: string;
  readonly verdict: Verdict;
  /** The first that was said; empty when it passed. */
  readonly reason: string;
}

const HEAD = /^(?:Suite: (.*)| {2}Test: (\S+) \.\.\.)/gm;
/** The summary, which no test's text goes beyond. */
const SUMMARY = /^(--)?Run Summary/m;
/** Stands alone, or behind what a test printed without an end of line. */
const FAILED = /(^|\s)FAILED\s*$/m;
/** What follows is said while the suite is taken down. */
const PASSED = /(^|\s)passed(\s|$)/m;
const SKIPPED = /\[SKIPPED\] (.*)/g;
const FAILURE = /\[(?:FAILED|FAILURE)\] (.*)/;
/** `1. file.c:97  - CU_ASSERT_EQUAL(...)`; the log may go on behind it. */
const ASSERTION = /^\s+1\. (.*?)(?: {4}|$)/m;
/** Said by tests that look for a command in passing, and go on without; and of rules that the LUN does not have to be held to. */
const IN_PASSING = /^REPORT_SUPPORTED_OPCODES |^No (alignment|granularity) restrictions/;

/** The tests of a report, in its order. One that is in several families is there once for each. */
export function readReport(text: string): TestResult[] {
  const report = text.split(SUMMARY)[0];
  const heads = [...report.matchAll(HEAD)];
  const results: TestResult[] = [];
  let suite = "";
  heads.forEach((head, i) => {
    const [whole, ofSuite, test] = head;
    if (ofSuite !== undefined) suite = ofSuite.trim();
    else
      results.push({
        name: `${suite}.${test}`,
        ...judge(suite, report.slice(head.index + whole.length, heads[i + 1]?.index)),
      });
  });
  return results;
}

function judge(suite: string, text: string): Pick<TestResult, "verdict" | "reason"> {
  if (FAILED.test(text)) {
    return { verdict: "failed", reason: (FAILURE.exec(text) ?? ASSERTION.exec(text))?.[1].trim() ?? "" };
  }
  const passed = PASSED.exec(text);
  if (passed === null) return { verdict: "incomplete", reason: "" };
  const skipped = [...text.slice(0, passed.index).matchAll(SKIPPED)].map(([, reason]) => reason.trim());
  const reason = skipped.find((each) => suite === "ReportSupportedOpcodes" || !IN_PASSING.test(each));
  return reason === undefined ? { verdict: "passed", reason: "" } : { verdict: "skipped", reason };
}
