// The client: finds the server, starts it, and shows drawings and PyTorch source beside the text.

const { execFile } = require("node:child_process");
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const PYTORCH = "addnn-pytorch";
let client;
let pythonPreview;
const drawings = new Map(); // by address and network: the panel

// ------------------------------------------------------------------------------------- the server

async function pythonOfExtension() {
  const extension = vscode.extensions.getExtension("ms-python.python");
  if (!extension) return undefined;
  const api = extension.isActive ? extension.exports : await extension.activate();
  const found = api?.environments?.getActiveEnvironmentPath?.();
  const environment = found && (await api.environments.resolveEnvironment(found));
  return environment?.executable?.uri?.fsPath ?? found?.path;
}

function commandOf(program) {
  const isPython = /python[0-9.]*(\.exe)?$/i.test(program);
  return { command: program, args: isPython ? ["-m", "addnn_spec", "lsp"] : ["lsp"] };
}

function answers({ command, args }) {
  return new Promise((resolve) => {
    execFile(command, [...args, "--check-setup"], { timeout: 30000 }, (error, out, err) =>
      resolve({ found: !error, said: `${out}${err}`.trim() || String(error?.message ?? "") }),
    );
  });
}

async function findServer() {
  const given = vscode.workspace.getConfiguration("addnn").get("path");
  const programs = given ? [given] : [await pythonOfExtension(), "addnn"].filter(Boolean);
  const tried = [];
  for (const program of programs) {
    const server = commandOf(program);
    const { found, said } = await answers(server);
    if (found) return { server };
    tried.push(`${program}: ${said.split("\n").pop()}`);
  }
  return { tried };
}

async function start(output) {
  const { server, tried } = await findServer();
  if (!server) {
    output.appendLine(`no language server was found:\n${tried.join("\n")}`);
    const choice = await vscode.window.showErrorMessage(
      "addnn: no language server was found. Install it with pip install 'addnn-spec[lsp]', in the " +
        "interpreter that the Python extension has chosen, or say where it is: addnn.path.",
      "Show what was tried",
      "Open settings",
    );
    if (choice === "Show what was tried") output.show();
    if (choice === "Open settings")
      vscode.commands.executeCommand("workbench.action.openSettings", "addnn.path");
    return;
  }
  client = new LanguageClient(
    "addnn",
    "addnn",
    { command: server.command, args: server.args },
    {
      documentSelector: [{ language: "addnn" }],
      outputChannel: output,
      synchronize: {
        configurationSection: "addnn",
        fileEvents: vscode.workspace.createFileSystemWatcher("**/{*.net,addnn.toml}"),
      },
      initializationOptions: { trusted: vscode.workspace.isTrusted, previews: true },
    },
  );
  await client.start();
}

async function restart(output) {
  await client?.stop();
  client = undefined;
  await start(output);
}

// ----------------------------------------------------------------------------------- the previews

async function ask(command, ...args) {
  if (!client) throw new Error("the language server does not run");
  return client.sendRequest("workspace/executeCommand", { command, arguments: args });
}

async function chosen(uri, name) {
  const address = uri ?? vscode.window.activeTextEditor?.document.uri.toString();
  if (!address || name) return { address, name };
  const names = await ask("addnn.networks", address);
  const one = names.length > 1 ? await vscode.window.showQuickPick(names) : names[0];
  if (!names.length) vscode.window.showInformationMessage("addnn: there is no network to show");
  return { address, name: one };
}

function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function page({ text, error }) {
  const body = error
    ? `<pre>${escaped(error)}</pre>`
    : `<div class="paper">${text.slice(text.indexOf("<svg"))}</div>`;
  return `<!DOCTYPE html><html><head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>.paper { background: white; padding: 1em; display: inline-block; min-width: 90%; }</style>
</head><body>${body}</body></html>`;
}

async function previewDrawing(uri, name) {
  const { address, name: network } = await chosen(uri, name);
  if (!network) return;
  const key = `${address} ${network}`;
  let panel = drawings.get(key);
  if (!panel) {
    panel = vscode.window.createWebviewPanel(
      "addnn.drawing",
      network,
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      { enableScripts: false },
    );
    drawings.set(key, panel);
    panel.onDidDispose(() => drawings.delete(key));
  }
  panel.webview.html = page(await ask("addnn.drawing", address, network));
}

class PyTorchPreview {
  constructor() {
    this.changed = new vscode.EventEmitter();
    this.onDidChange = this.changed.event;
    this.open = new Map(); // by the preview's address: the spec's, and the network
  }

  async provideTextDocumentContent(uri) {
    const { address, network } = this.open.get(uri.toString());
    const { text, error } = await ask("addnn.pytorch", address, network);
    return text ?? error.replace(/^/gm, "# ");
  }

  async show(address, network) {
    const query = encodeURIComponent(address);
    const uri = vscode.Uri.from({ scheme: PYTORCH, path: `/${network}.py`, query });
    this.open.set(uri.toString(), { address, network });
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.languages.setTextDocumentLanguage(document, "python");
    await vscode.window.showTextDocument(document, {
      viewColumn: vscode.ViewColumn.Beside,
      preserveFocus: true,
      preview: false,
    });
  }

  saved(address) {
    for (const [uri, shown] of this.open)
      if (shown.address === address) this.changed.fire(vscode.Uri.parse(uri));
  }
}

async function previewPyTorch(uri, name) {
  const { address, name: network } = await chosen(uri, name);
  if (network) await pythonPreview.show(address, network);
}

async function saved(document) {
  const address = document.uri.toString();
  pythonPreview.saved(address);
  for (const [key, panel] of drawings) {
    const [of, network] = key.split(" ");
    if (of === address) panel.webview.html = page(await ask("addnn.drawing", of, network));
  }
}

// --------------------------------------------------------------------------------- the life of it

async function activate(context) {
  const output = vscode.window.createOutputChannel("addnn", { log: true });
  pythonPreview = new PyTorchPreview();
  const command = (name, action) => vscode.commands.registerCommand(name, action);
  const palette = (action) => (uri, name) => action(typeof uri === "string" ? uri : undefined, name);
  context.subscriptions.push(
    output,
    command("addnn.previewDrawing", palette(previewDrawing)),
    command("addnn.previewPyTorch", palette(previewPyTorch)),
    command("addnn.restart", () => restart(output)),
    vscode.workspace.registerTextDocumentContentProvider(PYTORCH, pythonPreview),
    vscode.workspace.onDidSaveTextDocument(saved),
    vscode.workspace.onDidGrantWorkspaceTrust(() => restart(output)),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("addnn.path")) restart(output);
    }),
  );
  await start(output);
}

function deactivate() {
  return client?.stop();
}

module.exports = { activate, deactivate };
