// Knows TypeScript's tokens just well enough to tell code from comments, strings, templates and regular expressions.

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const STRING = /(["'])(?:\\[\s\S]|(?!\1)[^\\\n])*\1/y;
/** From the opening quote, or the brace that closes a `${`, to the closing quote or the next `${`. */
const TEMPLATE = /[`}](?:\\[\s\S]|(?!\$\{)[^`\\])*(?:`|\$\{)/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;

/** Words after which a slash begins a regular expression; after other words, and after values, it divides. */
const BEFORE_REGEX = /(?<![\w$])(?:return|typeof|case|in|of|delete|void|throw|new|else|do|yield|await)$/;

/**
 * `code` is `text` with every comment, and the inside of every string, template and regular expression, blanked: same
 * length, same lines. `strings` are the string literals, each with the place of its opening quote. Throws on text that
 * ends inside one of them, rather than reading on in the wrong state.
 */
export function scan(text) {
  const state = { text, at: 0, code: text.split(""), strings: [], templates: [] };
  while (state.at < text.length) step(state);
  if (state.templates.length > 0) throw new Error("a template without an end");
  return { code: state.code.join(""), strings: state.strings };
}

/** The number, from 1, of the line that `at` lies in. */
export function lineOf(text, at) {
  return text.slice(0, at).split("\n").length;
}

function step(state) {
  const { text, at, templates } = state;
  const character = text[at];
  if (character === "/" && /[/*]/.test(text[at + 1])) skip(state, COMMENT, "a comment", 0);
  else if (character === "/" && beginsRegex(state)) skip(state, REGEX, "a regular expression", 1);
  else if (character === '"' || character === "'") {
    const found = skip(state, STRING, "a string", 1);
    state.strings.push({ at, value: found.slice(1, -1) });
  } else if (character === "`" || (character === "}" && templates.at(-1) === 0)) {
    if (character === "}") templates.pop();
    // `templates` holds, for every template whose `${` is open, how many braces are open in it.
    if (skip(state, TEMPLATE, "a template", 1).endsWith("{")) templates.push(0);
  } else {
    if (templates.length > 0 && character === "{") templates[templates.length - 1] += 1;
    if (templates.length > 0 && character === "}") templates[templates.length - 1] -= 1;
    state.at += 1;
  }
}

/** Passes over what `pattern` finds here, and blanks it but for `kept` characters at either end. */
function skip(state, pattern, what, kept) {
  pattern.lastIndex = state.at;
  const found = pattern.exec(state.text)?.[0];
  if (found === undefined) throw new Error(`${what} without an end at line ${lineOf(state.text, state.at)}`);
  const end = state.at + found.length;
  for (let i = state.at + kept; i < end - kept; i++) if (state.code[i] !== "\n") state.code[i] = " ";
  state.at = end;
  return found;
}

function beginsRegex({ code, at }) {
  const before = code
    .slice(Math.max(0, at - 200), at)
    .join("")
    .trimEnd();
  return BEFORE_REGEX.test(before) || !/[\w$)\]}"'`]$/.test(before);
}
