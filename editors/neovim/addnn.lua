-- The language server of addnn's specs in Neovim 0.7 or newer, without plugins: dofile() it, or put
-- it into the folder `plugin` of the configuration. `vim.g.addnn_command` says how it is started.

vim.api.nvim_create_autocmd({ "BufRead", "BufNewFile" }, {
  pattern = "*.net",
  callback = function()
    vim.bo.filetype = "addnn"
    vim.bo.commentstring = "# %s"
    vim.bo.shiftwidth = 2
    vim.bo.expandtab = true
  end,
})

local clients = {} -- by the folder

vim.api.nvim_create_autocmd("FileType", {
  pattern = "addnn",
  callback = function(event)
    local marker = vim.fn.findfile("addnn.toml", vim.fn.expand("%:p:h") .. ";")
    local file = marker ~= "" and marker or vim.api.nvim_buf_get_name(event.buf)
    local root = vim.fn.fnamemodify(file, ":p:h")
    clients[root] = clients[root]
      or vim.lsp.start_client({
        name = "addnn",
        cmd = vim.g.addnn_command or { "addnn", "lsp" },
        root_dir = root,
        workspace_folders = { { uri = vim.uri_from_fname(root), name = root } },
        on_exit = function()
          clients[root] = nil
        end,
      })
    vim.lsp.buf_attach_client(event.buf, clients[root])
    vim.bo[event.buf].omnifunc = "v:lua.vim.lsp.omnifunc" -- Ctrl-X Ctrl-O completes
    local keys = {
      K = vim.lsp.buf.hover,
      gd = vim.lsp.buf.definition,
      gr = vim.lsp.buf.references,
      ["<leader>rn"] = vim.lsp.buf.rename,
      ["<leader>ca"] = vim.lsp.buf.code_action,
    }
    for key, action in pairs(keys) do
      vim.keymap.set("n", key, action, { buffer = event.buf })
    end
    if vim.lsp.inlay_hint then -- Neovim 0.10 and newer
      vim.lsp.inlay_hint.enable(true, { bufnr = event.buf })
    end
  end,
})
