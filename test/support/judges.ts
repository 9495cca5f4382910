import { describe, it } from "vitest";
import { hasProgram, missingText } from "./programs.ts";

export { PYTHON3 } from "./programs.ts";

/**
 * A suite whose judge is a program that is not ours. Where the program is missing the suite is skipped, and its title
 * says what to install; under CI=true a missing judge is a failure.
 * @param program a name from test/support/programs.ts
 */
export function describeWithJudge(program: string, title: string, suite: () => void): void {
  if (hasProgram(program)) {
    describe(title, suite);
  } else if (process.env.CI === "true") {
    describe(title, () => {
      it(`has its judge ${program}`, () => {
        throw new Error(missingText(program));
      });
    });
  } else {
    describe.skip(`${title} (${missingText(program)})`, suite);
  }
}
