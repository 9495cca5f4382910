import { readFile } from "node:fs/promises";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import type { z } from "zod";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { FileError } from "../record/record-error.ts";

type Path = readonly PropertyKey[];
type Issue = z.core.$ZodIssue;

/** What a file says, and where in it. */
export interface YamlFile<Data> {
  readonly data: Data;
  /** "scenario.yaml:12: steps.0.update": the line of a field, or of what it would be in when it is not there. */
  readonly at: (field: Path) => string;
}

/**
 * Reads a YAML file and checks it against a schema.
 * @throws {FileError} FILE_UNREADABLE
 * @throws {FileInvalidError} which names the file, the line, the field and what is wrong
 */
export async function readYaml<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<YamlFile<z.infer<Schema>>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, intAsBigInt: false });
  const [broken] = document.errors;
  if (broken !== undefined) throw invalid(path, lines, broken);
  const at = (field: Path): string =>
    `${path}:${lineOf(document, lines, field)}: ${field.map(String).join(".") || "the file"}`;
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const line = lines.linePos(startOf(alias) ?? 0).line;
      throw new FileInvalidError(`${path}:${line}: *${alias.source} is the name of nothing above it`);
    },
  });
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new FileInvalidError(`${path}: ${(cause as Error).message}`, { cause });
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { data: parsed.data, at };
  const { field, message } = sharpest(parsed.error.issues[0] as Issue);
  throw new FileInvalidError(`${at(field)}: ${message}`);
}

const invalid = (path: string, lines: LineCounter, { pos: [from], message }: YAMLError): FileInvalidError => {
  const { line, col } = lines.linePos(from);
  return new FileInvalidError(`${path}:${line}:${col}: ${message}`);
};

function lineOf(document: Document.Parsed, lines: LineCounter, field: Path): number {
  let node: unknown = document.contents;
  let start = startOf(node) ?? 0;
  for (const key of field) {
    const pair = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    node = isSeq(node) ? node.get(Number(key), true) : pair?.value;
    start = startOf(pair?.key) ?? startOf(node) ?? start;
    if (isAlias(node)) node = node.resolve(document);
  }
  return lines.linePos(start).line;
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

/** An unknown field is told by where it is, and an alternative that was meant by what is wrong in it. */
function sharpest(issue: Issue): { readonly field: Path; readonly message: string } {
  if (issue.code === "unrecognized_keys")
    return { field: [...issue.path, issue.keys[0] as string], message: "there is no such field" };
  if (issue.code === "invalid_union") {
    const deepest = issue.errors.map(([first]) => first).filter((each) => each !== undefined && each.path.length > 0);
    if (deepest.length === 1 && deepest[0] !== undefined) {
      const { field, message } = sharpest(deepest[0]);
      return { field: [...issue.path, ...field], message };
    }
  }
  return { field: issue.path, message: issue.message };
}

/** A file that a person wrote is not what it must be. */
export class FileInvalidError extends UsageError {
  override readonly code = "FILE_INVALID";
}
