// Coding agents as their users run them: pinned versions, each with a HOME of its own, pointed at Hearth by what
// `hearth setup` prints, and at nothing else.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

const bin = path.join(process.env.HEARTH_CLIENTS, 'node_modules/.bin');

// A proxy that lets nobody out and remembers who tried: `attempts` are hosts.
export class Trap {
  static async start() {
    const trap = new Trap();
    trap.attempts = [];
    trap.server = createServer((request, response) => {
      trap.attempts.push(request.url);
      response.writeHead(502).end();
    });
    trap.server.on('connect', (request, socket) => {
      trap.attempts.push(request.url);
      socket.on('error', () => {});
      socket.end('HTTP/1.1 502 Nobody gets out\r\n\r\n');
    });
    await new Promise((resolve) => trap.server.listen(0, '127.0.0.1', resolve));
    trap.url = `http://127.0.0.1:${trap.server.address().port}`;
    return trap;
  }
  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// What `hearth setup` prints for a shell, as the variables that it sets there.
function exported(text, env) {
  const names = [...text.matchAll(/^export (\w+)=/gm)].map((match) => match[1]);
  const shell = spawnSync('bash', ['-c', 'eval "$1"; env -0', 'bash', text], { env, encoding: 'utf8' });
  const all = Object.fromEntries(shell.stdout.split('\0').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}

// Each agent: its name at `hearth setup`, what it takes of what that prints, how it is asked one thing, and the call by
// which it reads a file. What is added to the configuration keeps it quiet and quick, never tells it where to go.
const agents = {
  claude: {
    setup: 'claude',
    read: (file) => ({ name: 'Read', args: { file_path: file } }),
    env: (at) => ({ ...exported(at.setup, at.daemon.env), DISABLE_AUTOUPDATER: '1' }),
    args: (prompt) => ['-p', prompt, '--allowedTools', 'Read'],
  },
  codex: {
    setup: 'codex',
    read: (file) => ({ name: 'exec_command', args: { cmd: `cat ${file}` } }),
    env: (at) => ({ CODEX_HOME: path.join(at.home, '.codex'), HEARTH_TOKEN: at.token }),
    files: (at) => ({
      '.codex/config.toml':
        `approval_policy = "never"\nsandbox_mode = "danger-full-access"\n${at.setup}\n[analytics]\nenabled = false\n`,
    }),
    args: (prompt) => ['exec', '--skip-git-repo-check', prompt],
  },
  opencode: {
    setup: 'opencode',
    read: (file) => ({ name: 'read', args: { filePath: file } }),
    env: (at) => ({
      HEARTH_TOKEN: at.token, OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    }),
    files: (at) => ({ 'project/opencode.json': JSON.stringify({ ...JSON.parse(at.setup), share: 'disabled', autoupdate: false }) }),
    args: (prompt) => ['run', prompt],
  },
  qwen: {
    setup: 'qwen',
    read: (file) => ({ name: 'read_file', args: { file_path: file } }),
    env: (at) => exported(at.setup, at.daemon.env),
    files: () => ({ '.qwen/settings.json': JSON.stringify({ privacy: { usageStatisticsEnabled: false }, general: { disableAutoUpdate: true } }) }),
    args: (prompt) => ['--auth-type', 'openai', '-p', prompt],
  },
  cn: {
    setup: 'continue',
    read: (file) => ({ name: 'Read', args: { filepath: file } }),
    env: () => ({ CONTINUE_TELEMETRY_ENABLED: '0' }),
    files: (at) => ({ 'config.yaml': `${at.setup}    defaultCompletionOptions: { maxTokens: 48 }\n` }),
    args: (prompt, at) => ['-p', prompt, '--config', path.join(at.home, 'config.yaml'), '--auto'],
  },
};

export const readCall = (name, file) => agents[name].read(file);

// A HOME of its own for one run, and the folder in it that the agent works in.
export function workplace(name) {
  const home = mkdtempSync(path.join(tmpdir(), `hearth-${name}-`));
  return { home, project: path.join(home, 'project') };
}

// One run: {code, out, err}. `files` go into the folder that it works in.
export async function runAgent(name, { daemon, model, prompt, trap, files = {}, args = [], place = workplace(name) }) {
  const agent = agents[name];
  const { home, project } = place;
  const at = { daemon, home, token: daemon.run('token', 'show').trim(), setup: daemon.run('setup', agent.setup, '--model', model) };
  for (const [file, text] of Object.entries({
    ...Object.fromEntries(Object.entries(files).map(([file, text]) => ['project/' + file, text])), ...agent.files?.(at),
  })) {
    mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
    writeFileSync(path.join(home, file), text);
  }
  mkdirSync(project, { recursive: true });
  const proxies = Object.fromEntries(['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].map((key) => [key, trap.url]));
  const env = {
    PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`, HOME: home, TERM: 'dumb', CI: '1', LANG: 'C.UTF-8',
    ...proxies, NO_PROXY: '127.0.0.1,localhost', no_proxy: '127.0.0.1,localhost', ...agent.env(at),
  };
  const child = spawn(path.join(bin, name), [...agent.args(prompt, at), ...args], { cwd: project, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let out = '', err = '';
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (err += piece));
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');  // with what it started
    } catch {}
  };
  const patience = setTimeout(stop, 150_000);
  const code = await new Promise((resolve) => child.once('close', (status, signal) => resolve(status ?? signal)));
  clearTimeout(patience);
  stop();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  return { code, out, err };
}
