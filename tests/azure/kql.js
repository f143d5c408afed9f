// Microsoft's own parser on queries: node kql.js tables.json, with {name: query} on standard input.
// Of each it prints what is wrong, the tables that it reads, and the columns that come out of it.

const { readFileSync } = require("node:fs");

require("@kusto/language-service-next/bridge.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.js");
const { GlobalState, KustoCode, Symbols, Syntax } = Kusto.Language;

const items = (list) => Array.from({ length: list.Count }, (_, index) => list.getItem(index));

const schemas = Object.entries(JSON.parse(readFileSync(process.argv[2])));
const tables = schemas.map(([name, columns]) => {
  const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
  return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(", ")})`, null);
});
const globals = GlobalState.Default.WithDatabase(
  new Symbols.DatabaseSymbol.ctor("workspace", tables),
);

function read(query) {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  const line = (start) => query.slice(0, start).split("\n").length;
  const wrong = items(code.GetDiagnostics()).map(
    ({ Start, Severity, Message }) => `line ${line(Start)}: ${Severity}: ${Message}`,
  );
  const names = items(code.Syntax.GetDescendants(Syntax.NameReference));
  const read = names.map((name) => name.ReferencedSymbol).filter((symbol) => tables.includes(symbol));
  const columns = items(code.ResultType?.Columns ?? { Count: 0 });
  return {
    wrong,
    tables: [...new Set(read.map((table) => table.Name))],
    columns: Object.fromEntries(columns.map(({ Name, Type }) => [Name, Type.Name])),
  };
}

const queries = Object.entries(JSON.parse(readFileSync(0)));
const found = Object.fromEntries(queries.map(([name, query]) => [name, read(query)]));
process.stdout.write(JSON.stringify(found));
